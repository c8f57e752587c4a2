/// How much is sent to a command before the other side says that some of it was read.
///
/// OpenSSH keeps what a command has not read yet in one piece of memory, and copies all of it to a larger one for each
/// packet that finds no room: with its whole window of 2 MB in use it spends more on that than on all the rest. So no
/// more of the window is used than keeps the line busy.
///
/// And on a slow line, what is on its way stands before everything else that the connection carries, a cancel too. So
/// it is no more than is read within a second or two.
struct SendAhead {
    /// OpenSSH tells each 96 KB that bytes were read.
    static let least = 160 << 10
    private static let mostWithoutDistance = 512 << 10
    /// In bytes a second: libssh2 enciphers no faster.
    private static let fastest = 400_000_000
    private static let soon: Duration = .seconds(1)
    private static let late: Duration = .seconds(2)

    private let bounds: ClosedRange<Int>
    private(set) var limit: Int
    private var sent = 0
    /// A position among the bytes sent, and when it was reached; kept until the other side has read that far.
    private var mark: (position: Int, time: ContinuousClock.Instant)?

    static let unlimited = SendAhead(.max ... .max)

    private init(_ bounds: ClosedRange<Int>) {
        self.bounds = bounds
        limit = bounds.lowerBound
    }

    init(serverBanner: String?, roundTrip: Duration) {
        guard serverBanner?.hasPrefix("SSH-2.0-OpenSSH_") == true else {
            // Other servers may tell only after half of their window was read.
            self = .unlimited
            return
        }
        let inTheLine = Int(min(roundTrip / .seconds(1), 1) * Double(Self.fastest))
        self.init(Self.least...(Self.mostWithoutDistance + inTheLine))
    }

    mutating func didSend(_ count: Int, at now: ContinuousClock.Instant = .now) {
        sent += count
        if mark == nil { mark = (sent, now) }
    }

    /// How much more may be sent while so much is unread.
    mutating func room(unread: Int, at now: ContinuousClock.Instant = .now) -> Int {
        if let mark, sent - unread >= mark.position {
            let delay = now - mark.time
            if delay < Self.soon {
                limit = limit > bounds.upperBound / 2 ? bounds.upperBound : limit * 2
            } else if delay > Self.late {
                limit = max(bounds.lowerBound, limit / 2)
            }
            self.mark = nil
        }
        return limit - unread
    }
}
