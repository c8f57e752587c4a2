import LianSystem

/// Connections that have no good in mind: each sends one of the given beginnings and no more. One that is ended is
/// replaced at once.
package final class Crowd: Sendable {
    private let port: Int
    private let size: Int
    private let beginnings: [[UInt8]]
    /// How many have come since it was last asked.
    private let arrivals = Monitor((count: 0, isOver: false, hasEnded: false))

    package init(port: Int, size: Int, sending beginnings: [[UInt8]]) {
        self.port = port
        self.size = size
        self.beginnings = beginnings
    }

    package func start() throws {
        try startThread { [self] in
            var connections: [KeptConnection] = []
            var next = 0
            while !arrivals.current.isOver {
                // The oldest makes room; where it is still there, it leaves.
                guard let connection = try? PlainHTTPConnection(port: port) else { continue }
                let beginning = beginnings[next % beginnings.count]
                if !beginning.isEmpty { _ = connection.send(beginning) }
                let kept = KeptConnection(connection)
                if connections.count < size { connections.append(kept) } else { connections[next % size] = kept }
                next += 1
                arrivals.update { $0.count += 1 }
            }
            connections = []
            arrivals.update { $0.hasEnded = true }
        }
    }

    /// That so many have come since the last time.
    package func waitUntilAllHaveCome() {
        arrivals.update { $0.count = 0 }
        arrivals.wait(atMost: nil) { $0.count >= size ? true : nil }
    }

    package func stop() {
        arrivals.update { $0.isOver = true }
        arrivals.wait(atMost: nil) { $0.hasEnded ? true : nil }
    }
}
