import Glibc
import LianModel
import LianSystem

/// The library that cargo makes of a crate.
struct CrateLibrary {
    private let folder: String
    private let name: String

    init(_ folder: String) throws(CloacinaError) {
        self.folder = folder
        let cargo = try Crate(folder).document
        let library = cargo["lib"]?.table?["name"]?.string
        guard let name = library ?? cargo["package"]?.table?["name"]?.string, !name.isEmpty,
            name.utf8.allSatisfy({ Identifier.isAlphanumeric($0) || "_-".utf8.contains($0) })
        else {
            throw CloacinaError(
                .cargoTomlInvalid, .project, "\(folder)/Cargo.toml names no crate", hint: "Add a name to [package].")
        }
        self.name = String(decoding: name.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    }

    /// As cargo calls it on Linux.
    var fileName: String { "lib\(name).so" }

    /// Of both profiles the newer one, unless the optimised one is asked for.
    func find(isRelease: Bool, targetFolder: String?) throws(CloacinaError) -> SourceFile {
        let target = targetFolder ?? "\(folder)/target"
        var found: (file: SourceFile, time: [Int])?
        for profile in isRelease ? ["release"] : ["release", "debug"] {
            for file in [fileName, "lib\(name).dylib"] {
                var status = stat()
                let place = "\(target)/\(profile)/\(file)"
                guard stat(place, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
                let time = [Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec)]
                if let found, !found.time.lexicographicallyPrecedes(time) { continue }
                found = (SourceFile(path: file, place: place, status), time)
            }
        }
        guard let found else {
            throw CloacinaError(
                .libraryMissing, .project,
                "no cdylib found: there is no lib\(name).so or .dylib in \(target)/\(isRelease ? "release" : "{release,debug}")",
                hint: "Build the crate first: package build \(isRelease ? "--release " : "")DIR")
        }
        return found.file
    }
}
