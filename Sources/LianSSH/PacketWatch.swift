import CLinux
import Glibc
import LianModel

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
    /// Where true, libssh2 is told that nothing has come.
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
        var packet = SSHWireReader(Array(bytes.prefix(25)))
        do {
            _ = try packet.byte()
            let channel = try packet.number()
            if kind == Self.openConfirmation {
                lastOpened = channel
                withExitStatus.remove(channel)
            } else if try packet.string() == Self.exitStatus {
                _ = try packet.byte()
                _ = try packet.number()
                withExitStatus.insert(channel)
            }
        } catch {
            // This memory is not a packet's, or the request has a longer name.
        }
    }
}
