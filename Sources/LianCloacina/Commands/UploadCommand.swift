import LianModel
import LianSystem

/// `package upload FILE`.
package struct UploadCommand: CloacinaCommand {
    private let file: String
    private let server: ServerOptions
    private let surroundings: Surroundings

    package init(_ file: String, _ server: ServerOptions, _ surroundings: Surroundings) {
        self.file = file
        self.server = server
        self.surroundings = surroundings
    }

    package func run(_ report: inout CloacinaReport) async throws(CloacinaError) {
        let choice = try ServerChoice(server, surroundings, &report)
        try await sendArchive(file, to: choice, surroundings, &report)
    }
}

/// Sends the archive once, after all that a server would refuse of it for sure.
func sendArchive(
    _ file: String, to choice: ServerChoice, _ surroundings: Surroundings, _ report: inout CloacinaReport
) async throws(CloacinaError) {
    report.upload = CloacinaReport.Upload(server: choice.url.description, tenant: choice.tenant, packageID: nil)
    let bytes: [UInt8]
    do throws(FileReadFailure) {
        bytes = try readFile(surroundings.path(file), limit: ArchiveLimits.uploadBytes)
    } catch .tooLarge {
        throw CloacinaError(
            .archiveTooLargeForServer, .archive, "\(file) is larger than 100 MiB, which is the most that servers take",
            hint: "Leave out what the package does not need.")
    } catch {
        throw .unreadable(file, error.reason, .arguments)
    }
    guard bytes.starts(with: "BZ".utf8) else {
        throw CloacinaError(
            .archiveFormat, .archive, "\(file) is no tar in bzip2, and servers take nothing else",
            hint: "Make it by 'package pack' or 'build --format source'.")
    }
    if report.artifact == nil {
        report.artifact = CloacinaReport.Artifact(path: file, bytes: bytes.count, sha256: hexadecimal(SHA256.of(bytes)))
    }
    let name = pathParts(file).last.map(String.init) ?? file
    let id = try await WorkflowServer(choice).upload(bytes, named: name)
    report.upload?.packageID = id
    surroundings.tell("Uploaded: \(id)")
}
