import Glibc
import LianModel
import LianSystem

/// Whether a folder has the form of a volume. What is on a volume was written by builds, which are not trusted: the
/// orchestrator and the engine open the upper folders of it by their paths, so none of these may be a link.
enum VolumeForm {
    /// Makes the folders of an empty volume in a folder that is there.
    static func fill(_ folder: String) throws(SystemError) {
        for name in ["engine", "contexts"] {
            guard mkdir("\(folder)/\(name)", 0o700) == 0 else { throw SystemError("mkdir \(folder)/\(name)") }
        }
    }

    /// What is wrong; nil where nothing is.
    static func fault(of folder: String) throws -> String? {
        var status = stat()
        guard lstat(folder, &status) == 0 else { throw SystemError("lstat \(folder)") }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "the volume is no folder" }
        let root = try OpenFolder(folder)
        for name in ["engine", "contexts"] {
            guard fstatat(root.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                guard errno == ENOENT else { throw SystemError("lstat \(folder)/\(name)") }
                return "'\(name)' is missing"
            }
            guard status.st_mode & S_IFMT == S_IFDIR else { return "'\(name)' is no folder" }
        }
        // Nobody but a build has made anything else there.
        if let name = try folderEntries(folder).first(where: { !["engine", "contexts"].contains($0) }) {
            return "'\(onOneLine(name))' does not belong there"
        }
        return try link(in: Array("engine".utf8CString), of: root.raw, levels: 2)
    }

    /// What is wrong in so many levels of the folder; names end with a zero.
    private static func link(in name: [CChar], of folder: Int32, levels: Int) throws -> String? {
        let descriptor = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            // It was a folder a moment ago: whoever put a link there meanwhile is not followed.
            guard errno == ELOOP || errno == ENOTDIR else { throw SystemError("open \(text(name))") }
            return "'\(text(name))' is no folder any more"
        }
        guard let entries = fdopendir(descriptor) else {
            let problem = SystemError("fdopendir \(text(name))")
            Glibc.close(descriptor)
            throw problem
        }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            // By its bytes: a build may choose a name that is no text.
            let inner = withUnsafeBytes(of: entry.pointee.d_name) {
                $0.prefix { $0 != 0 }.map(CChar.init(bitPattern:)) + [0]
            }
            if [".", ".."].contains(text(inner)) { continue }
            var status = stat()
            guard fstatat(descriptor, inner, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFLNK: return "'\(text(name))/\(text(inner))' is a symbolic link"
            case S_IFDIR where levels > 1:
                if let fault = try link(in: inner, of: descriptor, levels: levels - 1) { return fault }
            default: break
            }
        }
        return nil
    }

    private static func text(_ name: [CChar]) -> String {
        String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
