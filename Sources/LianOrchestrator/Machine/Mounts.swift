import CLinux
import Glibc
import LianSystem

/// The mounts below a folder.
enum Mounts {
    struct Mount: Hashable {
        /// The number by which the kernel knows the mount.
        let id: String
        let point: String
    }

    /// The mounts at and below the folder, in the order in which they were mounted.
    static func below(_ folder: String, mountinfo: String) -> [Mount] {
        mountinfo.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 4 else { return nil }
            let point = unescaped(fields[4])
            guard point == folder || point.hasPrefix(folder + "/") else { return nil }
            return Mount(id: String(fields[0]), point: point)
        }
    }

    /// What is mounted at the very path, on top of all that is mounted there; nil where nothing is.
    static func source(at path: String, mountinfo: String) -> String? {
        let sources = mountinfo.split(separator: "\n").compactMap { line -> String? in
            let fields = line.split(separator: " ")
            // Optional fields end with a hyphen, behind which the type and the source stand.
            guard fields.count > 4, unescaped(fields[4]) == path, let end = fields.dropFirst(5).firstIndex(of: "-"),
                fields.count > end + 2
            else { return nil }
            return unescaped(fields[end + 2])
        }
        return sources.last
    }

    /// Enough for mounts that lie over each other, but limited: somebody may go on mounting for ever.
    private static let rounds = 4096

    /// Unmounts everything below the folder. It does so lazily: the processes that still use a mount are being ended,
    /// and no new ones can get in.
    static func detachAll(below folder: String) throws {
        for _ in 0..<rounds {
            let mounts = below(folder, mountinfo: try readText("/proc/self/mountinfo", limit: 64 << 20))
            if mounts.isEmpty { return }
            var problem: SystemError?
            var hasTakenOne = false
            // Unmounting takes along what is mounted below. A mount that another one covers is reached once that is
            // gone.
            for mount in mounts {
                do throws(SystemError) {
                    if try detach(mount) { hasTakenOne = true }
                } catch {
                    problem = error
                }
            }
            guard hasTakenOne else { throw problem ?? SystemError("umount \(mounts[0].point)", EBUSY) }
        }
        throw SystemError("umount \(folder)", EBUSY)
    }

    /// False where the path leads to another mount: one that covers this one, or one that the path was turned to.
    /// Whoever may write below the folder may rename parts of the path and put a link there. So the path is followed
    /// only once, and from then on the descriptor stands for the mount.
    static func detach(_ mount: Mount) throws(SystemError) -> Bool {
        let raw = open(mount.point, lian_open_path | O_NOFOLLOW | O_CLOEXEC)
        guard raw >= 0 else {
            if errno == ENOENT || errno == ENOTDIR || errno == ELOOP { return false }
            throw SystemError("open \(mount.point)")
        }
        let opened = FileDescriptor(owning: raw)
        guard mountID(of: opened.raw) == mount.id else { return false }
        let place = "/proc/self/fd/\(opened.raw)"
        // A bind mount shares its events with its source. It is made private first, with everything below it: otherwise
        // unmounting a bound /dev would also unmount the host's own /dev/pts.
        guard Glibc.mount(nil, place, nil, UInt(MS_REC | MS_PRIVATE), nil) == 0 else {
            throw SystemError("make private \(mount.point)")
        }
        guard umount2(place, Int32(MNT_DETACH)) == 0 else { throw SystemError("umount \(mount.point)") }
        return true
    }

    private static func mountID(of descriptor: Int32) -> String? {
        let lines = ((try? readText("/proc/self/fdinfo/\(descriptor)")) ?? "").split(separator: "\n")
        return lines.first { $0.hasPrefix("mnt_id:") }?.split(whereSeparator: \.isWhitespace).last.map(String.init)
    }

    /// mountinfo writes space, tab, newline and backslash as a backslash and three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
