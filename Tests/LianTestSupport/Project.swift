import Foundation
import LianSystem

/// Where the tests find the project and what was built of it.
package enum Project {
    package static let root: URL = {
        var folder = URL(filePath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder
    }()

    /// The folder of the test bundle, and so of the executables that were built with it.
    package static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

    package static func executable(_ name: String) -> String {
        products.appending(path: name).path
    }

    /// Where pictures are wanted; nil where nobody wants any.
    package static let pictures = ProcessInfo.processInfo.environment["LIAN_PICTURES"].map { URL(filePath: $0) }

    /// The folder in which scripts/setup keeps the PyPI tools.
    package static let tools = root.appending(path: ".tools/bin")

    /// The interpreter with the Python packages that scripts/setup installs; nil where this one is not among them.
    package static func python(with package: String) -> String? {
        let folder = root.appending(path: ".tools/python")
        let mark = folder.appending(path: ".have-\(package)").path
        return FileManager.default.fileExists(atPath: mark) ? folder.appending(path: "bin/python").path : nil
    }

    /// A program that scripts/setup provides, or that the machine has on its PATH.
    package static func tool(_ name: String) throws -> String {
        let path = "\(tools.path):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"
        guard let program = findExecutable(name, path: path) else { throw MissingTool(name: name) }
        return program
    }

    package struct MissingTool: Error, CustomStringConvertible {
        package let name: String

        package var description: String { "'\(name)' is neither in .tools/bin nor on PATH: run scripts/test" }
    }
}
