import Glibc
import LianSystem

/// The folders on the path to the state folder. Whoever owns one of them, or may write to it, can replace what is
/// below, however well that is protected.
enum FoldersAbove {
    private static let linkLimit = 40

    /// Throws where another user could change what the path leads to; the error names the folder and the remedy. Links
    /// are followed as the kernel follows them. The orchestrator will own the folders that do not exist yet.
    static func check(_ path: String) throws(ProviderError) {
        guard let start = path.hasPrefix("/") ? "" : currentFolder() else {
            throw ProviderError("the state folder's path \(path) begins at the working folder, which is gone")
        }
        let absolute = "\(start)/\(path)"
        var here = "/"
        var left: [Substring] = absolute.split(separator: "/").reversed()
        var links = 0
        while let name = left.popLast() {
            if name == "." { continue }
            if name == ".." {
                here = parentFolder(here)
                continue
            }
            try checkFolder(here, path)
            let next = here == "/" ? "/\(name)" : "\(here)/\(name)"
            guard let found = try status(of: next) else { return }
            guard found.st_uid == 0 || found.st_uid == geteuid() else {
                throw ProviderError(
                    "the state folder's path \(path) goes through \(next), which belongs to another user "
                        + "(\(userName(found.st_uid))), who could put another folder there: choose another by --state")
            }
            if found.st_mode & S_IFMT == S_IFLNK {
                links += 1
                let target = try linkTarget(next)
                guard links <= linkLimit else { throw ProviderError("\(SystemError("readlink \(next)", ELOOP))") }
                if target.hasPrefix("/") { here = "/" }
                left += target.split(separator: "/").reversed()
            } else {
                here = next
            }
        }
    }

    /// In a sticky folder such as /tmp, other users may make files of their own but cannot touch anybody else's.
    private static func checkFolder(_ folder: String, _ path: String) throws(ProviderError) {
        guard let status = try status(of: folder), status.st_mode & 0o022 != 0, status.st_mode & S_ISVTX == 0 else {
            return
        }
        throw ProviderError(
            "the state folder's path \(path) goes through \(folder), which others may write to, who could put another "
                + "folder there: mend it by `chmod go-w \(folder)`, or choose another by --state")
    }

    /// nil where the path does not exist.
    private static func status(of path: String) throws(ProviderError) -> stat? {
        var status = stat()
        if lstat(path, &status) == 0 { return status }
        guard errno == ENOENT || errno == ENOTDIR else { throw ProviderError("\(SystemError("lstat \(path)"))") }
        return nil
    }

    private static func linkTarget(_ link: String) throws(ProviderError) -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &target, target.count)
        guard count >= 0 else { throw ProviderError("\(SystemError("readlink \(link)"))") }
        return String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func userName(_ user: uid_t) -> String {
        getpwuid(user).map { String(cString: $0.pointee.pw_name) } ?? String(user)
    }
}
