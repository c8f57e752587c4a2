import Glibc
import LianModel
import LianSystem

/// Where an output lies until all of it is here: in a folder of its own, of dotted name, beside its place. It takes that
/// place only when it is whole, so whatever cuts its way off leaves what was there. The folder goes with this object; one
/// whose process was killed is removed by the next.
final class OutputDraft {
    /// What rsync writes: a file, or a folder whose content is the output's.
    let path: String
    private let place: String
    private let isFolder: Bool
    /// The draft's own folder, locked as long as it is in use, and the one that it lies in.
    private let folder: OpenFolder
    private let home: OpenFolder
    private let name: OpenFolder.Name

    private static let beginning = ".lian-build-output-"
    private static let content = "output"
    /// rsync writes this before what a link leads to, so that no link leads anywhere while files arrive.
    private static let linkMark = Array("/rsyncd-munged/".utf8).map { CChar(bitPattern: $0) }

    init(of place: String, isFolder: Bool) throws(SystemError) {
        self.place = place
        self.isFolder = isFolder
        // Folders in folders may lie deeper than a process has descriptors by default.
        if isFolder { DescriptorLimit.raise() }
        // On the same file system as the place itself.
        let near = nearestFolder(isFolder ? place : parentFolder(place))
        let parent = realPath(near) ?? near
        home = try OpenFolder(parent)
        (name, folder) = try Self.make(in: home, parent)
        path = "\(parent == "/" ? "" : parent)/\(Self.text(name))/\(Self.content)"
        if isFolder {
            guard mkdir(path, 0o700) == 0 else { throw SystemError("mkdir") }
        } else {
            // It gets the mode that a new file has here, and keeps it while rsync writes into it.
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            guard file >= 0 else { throw SystemError("open") }
            close(file)
        }
    }

    deinit {
        home.removeTree(name)
    }

    /// A new folder, locked. Leftovers of those who were killed are removed on the way.
    private static func make(
        in home: OpenFolder, _ parent: String
    ) throws(SystemError) -> (OpenFolder.Name, OpenFolder) {
        let mark = beginning.utf8CString.dropLast()
        for name in (try? home.names()) ?? [] where name.starts(with: mark) {
            guard let leftover = try? home.folder(name), flock(leftover.raw, LOCK_EX | LOCK_NB) == 0 else { continue }
            home.removeTree(name)
        }
        while true {
            let path = try makeFolderOfItsOwn(in: parent, named: beginning)
            let name = Array((path.split(separator: "/").last.map(String.init) ?? "").utf8CString)
            let folder: OpenFolder
            do throws(SystemError) { folder = try home.folder(name) } catch {
                guard error.code == ENOENT else { throw error }
                continue
            }
            // Another process may have taken it for a leftover before it was locked. Where the file system has no locks,
            // nobody removes what is not locked.
            let isLocked = flock(folder.raw, LOCK_EX | LOCK_NB) == 0
            if isLocked ? folder.status.st_nlink > 0 : errno != EWOULDBLOCK { return (name, folder) }
        }
    }

    /// Of an output that is one file.
    var fileSize: Int {
        var status = stat()
        return lstat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Puts the output in its place, and returns how many bytes its files have.
    func commit() throws(LianError) -> Int {
        isFolder ? try commitFolder() : try told("", commitFile)
    }

    private func commitFile() throws(SystemError) -> Int {
        var status = stat()
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { throw SystemError("open") }
        defer { close(file) }
        // The name may be on the disk before the content is, unless that is waited for.
        guard fstat(file, &status) == 0, fsync(file) == 0 else { throw SystemError("fsync") }
        try makeFolder(parentFolder(place), mode: 0o777)
        guard rename(path, place) == 0 else { throw SystemError("rename") }
        return Int(status.st_size)
    }

    private func commitFolder() throws(LianError) -> Int {
        let from = try told("") { () throws(SystemError) in
            try makeFolder(place, mode: 0o777)
            return try folder.ownFolder(Array(Self.content.utf8CString))
        }
        let to = try told("") { () throws(SystemError) in try OpenFolder(place) }
        // All of it is looked at, and made as it is to be, before any of it is moved.
        let bytes = try prepare(from, to, "")
        try move(from, to, "")
        return bytes
    }

    /// Makes links lead where they are to lead, and returns the bytes of the files. Throws where something stands in the
    /// way that only a person can decide about. `to` is nil where there is no such folder at the place.
    private func prepare(_ from: OpenFolder, _ to: OpenFolder?, _ inner: String) throws(LianError) -> Int {
        var bytes = 0
        for name in try told(inner, from.names) {
            let path = inner + Self.text(name)
            guard let new = try told(path, { () throws(SystemError) in try from.status(name) }) else { continue }
            let old = try told(path) { () throws(SystemError) in try to?.status(name) }
            switch (Self.isFolder(new), old.map(Self.isFolder)) {
            case (false, true): throw failure("\(path) is a folder, and none in the output")
            case (true, false):
                let what = old.map(Self.isLink) == true ? "a link, which is not followed" : "a file"
                throw failure("\(path) is \(what), and a folder in the output")
            case (true, let isThere):
                let inside = try told(path) { () throws(SystemError) in try from.ownFolder(name) }
                let there = try told(path) { () throws(SystemError) in
                    isThere == nil ? nil : try to?.writableFolder(name)
                }
                bytes += try prepare(inside, there, "\(path)/")
                fchmod(inside.raw, new.st_mode & 0o7777)
            case (false, _) where Self.isLink(new):
                try told(path) { () throws(SystemError) in try Self.unmark(name, in: from) }
            case (false, _): bytes += Int(new.st_size)
            }
        }
        return bytes
    }

    /// Folders come before files: what a file like a cache's index names is there before it is.
    private func move(_ from: OpenFolder, _ to: OpenFolder, _ inner: String) throws(LianError) {
        var files: [OpenFolder.Name] = []
        for name in try told(inner, from.names) {
            let path = inner + Self.text(name)
            guard let new = try told(path, { () throws(SystemError) in try from.status(name) }) else { continue }
            guard Self.isFolder(new) else {
                files.append(name)
                continue
            }
            let isThere = try told(path) { () throws(SystemError) in try to.status(name) != nil }
            // Neither it nor what is in it can be moved where it may not be written to.
            let inside = try told(path) { () throws(SystemError) in try from.ownFolder(name) }
            if isThere {
                let there = try told(path) { () throws(SystemError) in try to.ownFolder(name) }
                try move(inside, there, "\(path)/")
                fchmod(there.raw, new.st_mode & 0o7777)
            } else {
                try moveOne(name, from, to, path)
                fchmod(inside.raw, new.st_mode & 0o7777)
            }
        }
        for name in files { try moveOne(name, from, to, inner + Self.text(name)) }
    }

    private func moveOne(
        _ name: OpenFolder.Name, _ from: OpenFolder, _ to: OpenFolder, _ path: String
    ) throws(LianError) {
        try told(path) { () throws(SystemError) in
            guard renameat(from.raw, name, to.raw, name) == 0 else { throw SystemError("rename") }
        }
    }

    private static func unmark(_ name: OpenFolder.Name, in folder: OpenFolder) throws(SystemError) {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + linkMark.count)
        let count = readlinkat(folder.raw, name, &target, target.count - 1)
        guard count >= 0 else { throw SystemError("readlink") }
        target = Array(target[..<count]) + [0]
        guard target.starts(with: linkMark) else { return }
        target.removeFirst(linkMark.count)
        guard unlinkat(folder.raw, name, 0) == 0, symlinkat(target, folder.raw, name) == 0 else {
            throw SystemError("symlink")
        }
    }

    private static func isFolder(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
    private static func isLink(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFLNK }

    private static func text(_ name: OpenFolder.Name) -> String {
        String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private func told<Value>(
        _ inner: String, _ body: () throws(SystemError) -> Value
    ) throws(LianError) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            throw failure("\(inner.isEmpty ? "" : "\(inner): ")\(error.reason)")
        }
    }

    private func failure(_ reason: String) -> LianError {
        LianError(
            .outputFailed, .build, "the build went well, but \(place) could not be written: \(onOneLine(reason))",
            hint: "Make room there or name another place; the next build finds its steps in the cache.")
    }
}
