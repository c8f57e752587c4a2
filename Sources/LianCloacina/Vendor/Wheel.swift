import LianModel
import LianSystem

/// A wheel's file that was fetched, and that is what was chosen.
struct Wheel: Equatable, Sendable {
    let path: String
    let pin: Pin
    let sha256: String
}

/// Fetches wheels into a folder, and believes no tool about their hashes.
struct WheelFetch: Sendable {
    let tools: PackageTools

    func wheels(_ pins: [Pin], for target: WheelTarget, into folder: String) async throws(CloacinaError) -> [Wheel] {
        let result = try await tools.pip(
            ["download", "--quiet", "--no-deps", "--dest", folder] + target.pipArguments + pins.map(\.text))
        guard result.termination.isSuccess else {
            throw Self.failure(.downloadFailed, "pip could not fetch the wheels: \(tools.lastWords(result))")
        }
        return try await onOwnThread {
            Result { () throws(CloacinaError) in try Self.checked(pins, in: folder, tools.stop) }
        }.get()
    }

    private static func checked(
        _ pins: [Pin], in folder: String, _ stop: StopRequest
    ) throws(CloacinaError) -> [Wheel] {
        let files: [String]
        do throws(SystemError) { files = try folderEntries(folder) } catch {
            throw .unreadable(folder, error.reason, .vendor)
        }
        var wheels: [Wheel] = []
        for pin in pins {
            let own = files.filter { isWheel($0, of: pin) }
            guard own.count == 1, let file = own.first else {
                throw failure(.downloadFailed, "pip fetched \(own.count) wheels of \(pin.text)")
            }
            let path = "\(folder)/\(file)"
            let hash = hexadecimal(try hashFile(path, stop).sha256)
            guard pin.hashes.contains(hash) else {
                throw failure(
                    .hashMismatch,
                    "\(file) has the hash \(hash), which is none of those that \(pin.text) was chosen with")
            }
            wheels.append(Wheel(path: path, pin: pin, sha256: hash))
        }
        return wheels
    }

    private static func isWheel(_ file: String, of pin: Pin) -> Bool {
        let parts = file.split(separator: "-")
        return file.hasSuffix(".whl") && parts.count >= 5 && Requirement.indexName(parts[0]) == pin.name
    }

    private static func failure(_ code: CloacinaCode, _ message: String) -> CloacinaError {
        CloacinaError(
            code, .vendor, message,
            hint: "Start it again; where it stays, look at what the index gives, and at PIP_INDEX_URL.")
    }
}
