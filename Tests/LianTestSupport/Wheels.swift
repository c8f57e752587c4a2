import Foundation
import LianModel
import LianSystem

/// Wheels for a test, made by Python's zipfile.
package enum Wheels {
    package struct Entry {
        var json: JSONValue

        package init(_ path: String, _ text: String, mode: Int = 0o100644, isStored: Bool = false) {
            json = [
                "path": .string(path), "text": .string(text), "mode": .integer(mode), "is_stored": .bool(isStored),
            ]
        }

        package init(_ path: String, zeros: Int) {
            json = ["path": .string(path), "zeros": .integer(zeros)]
        }
    }

    package struct Wheel {
        var json: [String: JSONValue]

        /// With `needs`, it is a whole wheel; without, a zip file of just these entries.
        package init(_ file: String, _ entries: [Entry], needs: [String]? = nil) {
            json = ["file": .string(file), "entries": .array(entries.map(\.json))]
            if let needs { json["needs"] = needs.json }
        }
    }

    package static func make(_ wheels: [Wheel], in folder: URL) async throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let result = try await LianSystem.run(
            Command(
                "/usr/bin/env",
                ["python3", Project.root.appending(path: "Tests/Fixtures/make_wheels.py").path, folder.path],
                environment: ProcessInfo.processInfo.environment),
            input: .bytes(JSONValue.array(wheels.map { .object($0.json) }).encodedBytes()), deadline: .seconds(300))
        guard result.termination.isSuccess else { throw ScriptNotWritten(reason: result.errorText) }
    }
}
