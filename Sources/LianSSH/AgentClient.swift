import Glibc
import LianModel
import LianSystem

/// A conversation with ssh-agent (draft-miller-ssh-agent). Blocks, within its limit, and ends at once when its
/// canceller wakes: an agent may be waiting for a person to confirm.
struct AgentClient {
    struct Failure: Error {
        let reason: String
    }

    private let descriptor: FileDescriptorBox
    private let canceller: Waker
    private let deadline: ContinuousClock.Instant

    init(socketPath: String, canceller: Waker, limit: Duration) throws(Failure) {
        let deadline = ContinuousClock.now + limit
        self.canceller = canceller
        self.deadline = deadline
        do {
            descriptor = FileDescriptorBox(
                try connectUnixSocket(path: socketPath) {
                    // A queue that has room again tells nobody of it.
                    canceller.wait(for: POLLIN, on: -1, until: .now + .milliseconds(20)) == .timedOut && deadline > .now
                })
        } catch {
            throw Failure(reason: error.reason)
        }
    }

    func identities() throws(Failure) -> [[UInt8]] {
        var answer = try request([AgentMessage.requestIdentities], expecting: AgentMessage.identities)
        do {
            return try (0..<min(answer.number(), 4096)).map { _ in
                let blob = try answer.string()
                _ = try answer.string()
                return blob
            }
        } catch {
            throw Failure(reason: "its list of keys is malformed")
        }
    }

    /// Signs a request to authenticate, with the algorithm that the request names or not at all. Returns the bare
    /// signature, without the algorithm's name in front.
    func sign(_ data: [UInt8], with publicKey: [UInt8]) throws(Failure) -> [UInt8] {
        guard let announced = Self.algorithm(in: data) else {
            throw Failure(reason: "what it should sign names no algorithm")
        }
        var message = WireWriter()
        message.raw([AgentMessage.signRequest])
        message.string(publicKey)
        message.string(data)
        message.number(Self.flags(for: announced))
        var answer = try request(message.bytes, expecting: AgentMessage.signature)
        let algorithm: String
        let signature: [UInt8]
        do {
            var blob = SSHWireReader(try answer.string())
            algorithm = try blob.text()
            signature = try blob.string()
        } catch {
            throw Failure(reason: "its signature is malformed")
        }
        guard algorithm == announced else {
            throw Failure(reason: "it signed with \(onOneLine(algorithm, limit: 80)) in the place of \(announced)")
        }
        return signature
    }

    /// RFC 4252, section 7.
    private static func algorithm(in request: [UInt8]) -> String? {
        var reader = SSHWireReader(request)
        do {
            _ = try reader.string()
            _ = try reader.byte()
            for _ in ["user", "service", "method"] { _ = try reader.string() }
            _ = try reader.byte()
            return try reader.text()
        } catch {
            return nil
        }
    }

    private static func flags(for algorithm: String) -> UInt32 {
        switch algorithm {
        case "rsa-sha2-256": AgentMessage.SignFlag.sha256
        case "rsa-sha2-512": AgentMessage.SignFlag.sha512
        default: 0
        }
    }

    private func request(_ message: [UInt8], expecting type: UInt8) throws(Failure) -> SSHWireReader {
        let answer = try exchange(message)
        guard answer[0] == type else { throw Failure(reason: "it refused the request") }
        return SSHWireReader(Array(answer.dropFirst()))
    }

    /// Any request and its answer, which is not empty.
    func exchange(_ message: [UInt8]) throws(Failure) -> [UInt8] {
        var framed = WireWriter()
        framed.string(message)
        var sent = 0
        while sent < framed.bytes.count {
            try wait(for: POLLOUT)
            let count = framed.bytes.withUnsafeBytes {
                send(descriptor.raw, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EAGAIN { continue }
            guard count > 0 else { throw Failure(reason: "it closed the connection") }
            sent += count
        }
        var length = SSHWireReader(try receive(4))
        guard let size = try? length.number(), size > 0, size <= AgentMessage.limit else {
            throw Failure(reason: "its answer is malformed")
        }
        return try receive(Int(size))
    }

    private func receive(_ count: Int) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            try wait(for: POLLIN)
            let piece = [UInt8](unsafeUninitializedCapacity: count - bytes.count) { buffer, size in
                size = max(recv(descriptor.raw, buffer.baseAddress, buffer.count, 0), 0)
            }
            guard !piece.isEmpty else { throw Failure(reason: "it closed the connection") }
            bytes += piece
        }
        return bytes
    }

    private func wait(for event: Int32) throws(Failure) {
        switch canceller.wait(for: event, on: descriptor.raw, until: deadline) {
        case .ready: break
        case .woken: throw Failure(reason: "cancelled")
        case .timedOut: throw Failure(reason: "it does not answer")
        }
    }
}

extension AgentClient {
    /// A conversation of bounded time, on a thread of its own, that ends with the task.
    static func ask<Answer: Sendable>(
        at socketPath: String, within limit: Duration,
        _ body: @escaping @Sendable (AgentClient) throws(Failure) -> Answer
    ) async -> Result<Answer, Failure> {
        let canceller: Waker
        do {
            canceller = try Waker()
        } catch {
            return .failure(Failure(reason: error.reason))
        }
        let silent = Result<Answer, Failure>.failure(Failure(reason: "it does not answer"))
        let result = try? await withinLimit(limit) {
            await withTaskCancellationHandler {
                await onOwnThread {
                    Result { () throws(Failure) in
                        try body(AgentClient(socketPath: socketPath, canceller: canceller, limit: limit))
                    }
                }
            } onCancel: {
                canceller.wake()
            }
        }
        return (result ?? nil) ?? silent
    }
}

/// A descriptor that copies of a value share.
private final class FileDescriptorBox: Sendable {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }

    var raw: Int32 { descriptor.raw }
}
