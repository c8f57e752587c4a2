import CLinux
import Glibc

/// What libssh2 has no call to ask for, seen from the functions that it is given to call. Used by one session on one
/// thread.
///
/// It tells a channel's exit status of 0 from one that never came, for libssh2 answers 0 to both. Every packet is
/// decoded into memory from our allocator, and given back once libssh2 has dealt with it: two kinds of packet are
/// looked at there, while they are whole.
final class PacketWatch {
    /// Our number of the channel that was opened last.
    private(set) var lastOpened: UInt32?
    /// Our numbers of the channels for which an exit status came.
    private(set) var withExitStatus: Set<UInt32> = []

    /// The last error of recv(2).
    var receiveError: Int32 = 0
    /// All that recv(2) has brought.
    var receivedBytes = 0
    /// libssh2 is told that nothing has come.
    var holdsBackReceiving = false
    var unsent = UnsentBytes()

    /// What libssh2 hands back to these functions; valid as long as this object.
    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static func from(_ context: UnsafeMutableRawPointer) -> PacketWatch {
        Unmanaged<PacketWatch>.fromOpaque(context).takeUnretainedValue()
    }

    // RFC 4254, sections 5.1 and 6.10.
    private static let openConfirmation: UInt8 = 91
    private static let channelRequest: UInt8 = 98
    private static let exitStatus = Array("exit-status".utf8)

    func look(at memory: UnsafeMutableRawPointer) {
        let kind = memory.load(as: UInt8.self)
        guard kind == Self.openConfirmation || kind == Self.channelRequest else { return }
        let bytes = UnsafeRawBufferPointer(start: memory, count: lian_allocated_size(memory))
        // Kind, our number of the channel, and for a request its name, one flag and the status.
        guard bytes.count >= 5 else { return }
        let channel = bytes[1..<5].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        if kind == Self.openConfirmation {
            lastOpened = channel
            withExitStatus.remove(channel)
        } else if bytes.count >= 25, bytes[5..<9].elementsEqual([0, 0, 0, 11]),
            bytes[9..<20].elementsEqual(Self.exitStatus)
        {
            withExitStatus.insert(channel)
        }
    }
}
