import Glibc
import LianSystem

/// The file system by which engines lay their layers over each other.
enum Overlay {
    /// Why that cannot be done in the folder; nil where it can. Not every file system can, another overlay for example.
    static func problem(in folder: String) -> SystemError? {
        let probe = "\(folder)/overlay-probe"
        let (lower, upper, work, merged) = ("\(probe)/lower", "\(probe)/upper", "\(probe)/work", "\(probe)/merged")
        defer { for path in ["\(work)/work", work, upper, lower, merged, probe] { rmdir(path) } }
        do {
            for path in [lower, upper, work, merged] { try makeFolder(path) }
        } catch {
            return error
        }
        let options = "lowerdir=\(lower),upperdir=\(upper),workdir=\(work)"
        guard mount("overlay", merged, "overlay", 0, options) == 0 else { return SystemError("mount overlay") }
        umount2(merged, Int32(MNT_DETACH))
        return nil
    }
}
