import CMicrohttpd
import LianModel
import LianSystem

/// One request and its answer. While the request arrives and while the answer leaves, only the connection's thread
/// touches it. In between the connection is suspended, and only the thread that answers touches it.
final class Exchange {
    enum Stage { case head, body, atWork, answered }

    let target: String
    var stage = Stage.head
    /// By what it was let in.
    var token: Token?
    var body: [UInt8] = []
    var received = 0
    var problem: IncomingRequest.BodyProblem?
    /// Whether it counts among the requests that are not answered yet.
    var isCounted = false
    /// The bytes that it holds of the budget for all requests.
    var held = 0
    var answer: OutgoingResponse?

    init(target: String) {
        self.target = target
    }

    /// Takes a piece of the body. If the body becomes too large, or there is no room for it, all of it is dropped.
    func collect(_ bytes: UnsafeRawBufferPointer, from buffers: BufferBudget) {
        received += bytes.count
        if received > HTTPServer.bodyLimit {
            problem = .tooLarge
        } else if problem == nil {
            if buffers.take(bytes.count) {
                held += bytes.count
                body.append(contentsOf: bytes.bindMemory(to: UInt8.self))
                return
            }
            problem = .noRoom
        }
        body = []
        giveBack(to: buffers)
    }

    /// Keeps the answer until it is sent; the body is dropped.
    func take(_ response: OutgoingResponse, of server: ServerContext) {
        var answer = response
        body = []
        giveBack(to: server.buffers)
        if answer.body.count > HTTPServer.smallAnswer {
            if server.buffers.take(answer.body.count) {
                held = answer.body.count
            } else {
                answer = APIProblem.noRoom.response
            }
        }
        self.answer = answer
    }

    func giveBack(to buffers: BufferBudget) {
        buffers.giveBack(held)
        held = 0
    }
}

/// A request whose connection is suspended until there is an answer.
///
/// `@unchecked Sendable`: the library's own lock, taken by suspending and by resuming, orders what its thread and the
/// answering one do with the exchange.
struct SuspendedExchange: @unchecked Sendable {
    let connection: OpaquePointer
    let exchange: Exchange
    let server: ServerContext

    func answer(_ response: OutgoingResponse) {
        exchange.take(response, of: server)
        MHD_resume_connection(connection)
        server.load.update { $0.atWork -= 1 }
    }
}
