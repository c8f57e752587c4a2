/// How much is sent to a command before the other side says that some of it was read.
///
/// OpenSSH keeps what a command has not read yet in one piece of memory, and copies all of it to a larger one for each
/// packet that finds no room: with its whole window of 2 MB in use it spends more on that than on all the rest. So no
/// more of the window is used than keeps the line busy.
enum SendAhead {
    /// Far above the 96 KB after which OpenSSH says that they were read.
    static let least = 512 << 10
    /// In bytes a second: libssh2 enciphers no faster.
    private static let fastest = 400_000_000

    /// Other servers may speak up only after half of their window: to those all of it is sent.
    static func limit(serverBanner: String?, roundTrip: Duration) -> Int {
        guard serverBanner?.hasPrefix("SSH-2.0-OpenSSH_") == true else { return .max }
        return least + Int(roundTrip / .seconds(1) * Double(fastest))
    }
}
