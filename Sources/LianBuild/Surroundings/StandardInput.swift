import Glibc
import LianModel
import LianSystem

/// Where a Dockerfile comes from that is given as `-`.
package struct StandardInput: Sendable {
    private let descriptor: Int32

    /// As much as is read of any text that a person writes.
    private static let limit = 1 << 20
    private static let look: Duration = .milliseconds(100)

    package init(_ descriptor: Int32 = STDIN_FILENO) {
        self.descriptor = descriptor
    }

    /// Everything up to its end. Whoever is cancelled does not wait for it.
    func read() async throws -> [UInt8] {
        try await onOwnThread { [descriptor] isGivenUp in
            let bytes: [UInt8]?
            do throws(FileReadFailure) {
                bytes = try readToEnd(descriptor, limit: Self.limit) { isGivenUp() ? nil : Self.look }
            } catch .tooLarge {
                throw Self.unreadable("it has more than 1 MiB")
            } catch {
                throw Self.unreadable(error.reason)
            }
            if let bytes { return bytes }
            throw CancellationError()
        }
    }

    private static func unreadable(_ reason: String) -> LianError {
        LianError(
            .dockerfileMissing, .resolve, "the Dockerfile cannot be read from stdin: \(reason)",
            hint: "--dockerfile - reads it from stdin to its end: lian-build build --dockerfile - … <Dockerfile")
    }
}
