import Glibc
import LianSystem

/// The folder that wheels are unpacked into, side by side, for all targets together.
struct VendorFolder: Sendable {
    let path: String
    /// What each file holds, by the bytes of its path: for `String`, two spellings of one letter are equal.
    private var files: [[UInt8]: [UInt8]] = [:]
    private var folders: Set<[UInt8]> = []
    private var bytes = 0
    private let stop: StopRequest

    /// The folder is empty.
    init(_ path: String, stop: StopRequest) {
        self.path = path
        self.stop = stop
    }

    mutating func add(_ wheel: Wheel) throws(CloacinaError) {
        let zip = try ZipFile(wheel.path, stop: stop)
        for member in zip.members where !member.isFolder {
            if let place = Self.place(of: member.path, in: wheel) { try add(member, of: zip, at: place, wheel) }
        }
    }

    /// Where Python would find the file when the wheel were installed; nil where it would not be a module.
    private static func place(of path: String, in wheel: Wheel) -> String? {
        let parts = pathParts(path)
        guard isData(parts[0], of: wheel) else { return path }
        guard parts.count > 2, parts[1] == "purelib" || parts[1] == "platlib" else { return nil }
        return parts.dropFirst(2).joined(separator: "/")
    }

    /// `NAME-VERSION.data`, however the name is spelt there.
    private static func isData(_ folder: Substring, of wheel: Wheel) -> Bool {
        let names = folder.dropLast(".data".count).split(separator: "-")
        return folder.hasSuffix(".data") && names.count > 1
            && Requirement.indexName(names.dropLast().joined(separator: "-")) == wheel.pin.name
    }

    private mutating func add(
        _ member: ZipFile.Member, of zip: ZipFile, at place: String, _ wheel: Wheel
    ) throws(CloacinaError) {
        let name = Array(place.utf8)
        if let known = files[name] {
            let hash = SHA256()
            try zip.read(member) { hash.update($0) }
            let isTold = pathParts(place)[0].hasSuffix(".dist-info")
            guard hash.finish() == known || isTold else { throw conflict(place, wheel) }
            return
        }
        guard !folders.contains(name) else { throw conflict(place, wheel) }
        var folder = name[...]
        while let slash = folder.lastIndex(of: UInt8(ascii: "/")) {
            folder = folder[..<slash]
            guard files[Array(folder)] == nil else { throw conflict(place, wheel) }
            folders.insert(Array(folder))
        }
        bytes += member.size
        guard bytes <= ArchiveLimits.bytes, files.count < ArchiveLimits.entries else { throw tooMuch(wheel) }
        files[name] = try write(member, of: zip, to: "\(path)/\(place)")
    }

    private func write(_ member: ZipFile.Member, of zip: ZipFile, to path: String) throws(CloacinaError) -> [UInt8] {
        let hash = SHA256()
        let file = try Self.created(path, isExecutable: member.isExecutable)
        try zip.read(member) { (piece) throws(CloacinaError) in
            hash.update(piece)
            do throws(SystemError) { try writeAll(file.raw, Array(piece)) } catch { throw .unwritable(path, error) }
        }
        return hash.finish()
    }

    private static func created(_ path: String, isExecutable: Bool) throws(CloacinaError) -> FileDescriptor {
        do throws(SystemError) { try makeFolder(parentFolder(path)) } catch { throw .unwritable(path, error) }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = open(path, flags, isExecutable ? 0o755 : 0o644)
        guard descriptor >= 0 else { throw .unwritable(path, SystemError("open")) }
        return FileDescriptor(owning: descriptor)
    }

    private func tooMuch(_ wheel: Wheel) -> CloacinaError {
        let isTooLarge = bytes > ArchiveLimits.bytes
        return CloacinaError(
            isTooLarge ? .archiveTooLarge : .archiveTooManyEntries, .vendor,
            "with \(wheel.pin.text) the dependencies have more than "
                + (isTooLarge ? "500 MiB" : "\(ArchiveLimits.entries) files") + " together",
            hint: "No host takes so much: leave some of them out.")
    }

    private func conflict(_ place: String, _ wheel: Wheel) -> CloacinaError {
        CloacinaError(
            .vendorConflict, .vendor,
            "\(place) of \(wheel.pin.text) is not the file that another wheel has in the same place",
            hint: "Build one package for each target, or take versions that do not differ there.")
    }
}
