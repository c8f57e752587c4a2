import Glibc
import LianSystem

/// A file of a folder that travels in the archive.
package struct SourceFile: Equatable, Sendable {
    /// Below the folder.
    package let path: String
    package let place: String
    package let size: Int
    package let isExecutable: Bool
    let modified: [Int]

    init(path: String, place: String, _ status: stat) {
        self.path = path
        self.place = place
        size = Int(status.st_size)
        isExecutable = status.st_mode & S_IXUSR != 0
        modified = [Int(status.st_ino), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), size]
    }

    /// Hands on what is in it, piece by piece, and fails where it is not what it was when it was found.
    package func read(
        _ stop: StopRequest, _ take: (ArraySlice<UInt8>) throws(CloacinaError) -> Void
    ) throws(CloacinaError) {
        let file = try open()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var count = 0
        while true {
            try stop.check()
            let outcome = buffer.withUnsafeMutableBytes { bytes in
                Result { () throws(FileReadFailure) in try file.read(into: bytes) }
            }
            let read: Int
            do throws(FileReadFailure) { read = try outcome.get() } catch {
                throw .unreadable(place, error.reason, .project)
            }
            if read == 0 { break }
            count += read
            guard count <= size else { throw changed }
            try take(buffer[..<read])
        }
        guard count == size, SourceFile(path: path, place: place, file.statusNow()).modified == modified else {
            throw changed
        }
    }

    private func open() throws(CloacinaError) -> RegularFile {
        do throws(FileReadFailure) {
            return try RegularFile.open(place)
        } catch {
            throw .unreadable(place, error.reason, .project)
        }
    }

    private var changed: CloacinaError {
        CloacinaError(
            .sourceChanged, .project, "\(place) was changed while it was read",
            hint: "Pack again when nothing writes to the folder.")
    }
}

/// What does not travel, wherever it is.
package struct TravelRules: Sendable {
    let folders: Set<String>
    let endings: [String]

    /// Of a package's folder.
    package static let package = TravelRules(
        folders: ["target", ".git", "node_modules", "__pycache__"], endings: [".cloacina", ".cloacina.sig"])
    /// Of modules in Python, of which any may be called like a folder that others leave out.
    package static let modules = TravelRules(folders: ["__pycache__"], endings: [".pyc"])
}

/// All files below a folder that travel, in the order of the bytes of their paths.
package struct SourceWalk: Sendable {
    package private(set) var files: [SourceFile] = []
    package private(set) var warnings: [CloacinaWarning] = []
    private let root: String
    private let rules: TravelRules
    private let leftOut: Set<String>
    private let stop: StopRequest

    /// `leftOut` are places of files that do not travel, as what is being made. With `only`, nothing else at the top of
    /// the folder does.
    package init(
        _ folder: String, below only: String? = nil, by rules: TravelRules = .package,
        leavingOut leftOut: Set<String> = [], _ stop: StopRequest
    ) throws(CloacinaError) {
        guard let root = realPath(folder), fileKind(root) == .folder else {
            throw CloacinaError(
                .notAFolder, .project, "\(folder) is not a folder", hint: "Name the folder of the package.")
        }
        self.root = root
        self.rules = rules
        self.leftOut = leftOut
        self.stop = stop
        let names = if let only { [only] } else { try Self.names(in: root) }
        try visit(names, in: root, below: "")
        files.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    private mutating func visit(
        _ names: [String], in folder: String, below prefix: String
    ) throws(CloacinaError) {
        try stop.check()
        for name in names {
            let place = "\(folder)/\(name)"
            let path = prefix + name
            if leftOut.contains(place) { continue }
            var status = stat()
            guard lstat(place, &status) == 0 else {
                throw .unreadable(place, SystemError("lstat").reason, .project)
            }
            let isLink = status.st_mode & S_IFMT == S_IFLNK
            if isLink, stat(place, &status) != 0 {
                throw Self.refusal(.symlinkBroken, "\(place) is a link that leads nowhere")
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                if rules.folders.contains(name) { continue }
                guard !isLink else {
                    throw Self.refusal(.symlinkDirectory, "\(place) is a link to a folder")
                }
                try visit(try Self.names(in: place), in: place, below: path + "/")
            case S_IFREG:
                if rules.endings.contains(where: name.hasSuffix) { continue }
                if isLink {
                    guard realPath(place).map({ isPath($0, within: root) }) == true else {
                        throw Self.refusal(.symlinkOutside, "\(place) is a link to a file outside of the folder")
                    }
                }
                files.append(SourceFile(path: path, place: place, status))
                if Self.looksSecret(name) {
                    warnings.append(
                        CloacinaWarning(.secretLikeFile, "\(path) travels in the archive and looks like a secret"))
                }
            default:
                throw Self.refusal(.specialFile, "\(place) is neither a file nor a folder")
            }
        }
    }

    private static func looksSecret(_ name: String) -> Bool {
        name == ".env" || name.hasPrefix("id_") || [".pem", ".key", ".secret"].contains { name.hasSuffix($0) }
    }

    private static func names(in folder: String) throws(CloacinaError) -> [String] {
        guard let stream = opendir(folder) else {
            throw .unreadable(folder, SystemError("opendir").reason, .project)
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let record = readdir(stream) {
            let bytes = withUnsafeBytes(of: record.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: bytes, as: UTF8.self) else {
                throw refusal(
                    .pathNotUTF8, "\(folder) holds a name that is not UTF-8: \(String(decoding: bytes, as: UTF8.self))")
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        // The end of the folder and a failure look alike otherwise.
        guard errno == 0 else { throw .unreadable(folder, SystemError("readdir").reason, .project) }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func refusal(_ code: CloacinaCode, _ message: String) -> CloacinaError {
        CloacinaError(code, .project, message, hint: "Hosts take plain files alone: replace it by one, or remove it.")
    }
}
