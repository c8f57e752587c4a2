import Glibc
import LianSystem

/// What is mounted below a folder.
enum Mounts {
    /// The mount points at and below the folder, in the order in which they were mounted.
    static func below(_ folder: String, mountinfo: String) -> [String] {
        mountinfo.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 4 else { return nil }
            let point = unescaped(fields[4])
            return point == folder || point.hasPrefix(folder + "/") ? point : nil
        }
    }

    /// Unmounts all of them. Lazily: what still uses one is being ended, and nobody can come in any more.
    static func detachAll(below folder: String) throws {
        var problem: SystemError?
        // A mount may lie over another of the same name: each round takes the topmost away.
        for _ in 0..<16 {
            let points = below(folder, mountinfo: try readText("/proc/self/mountinfo", limit: 64 << 20))
            if points.isEmpty { return }
            for point in points.reversed() where umount2(point, Int32(MNT_DETACH)) != 0 {
                problem = SystemError("umount \(point)")
            }
        }
        if let problem { throw problem }
    }

    /// mountinfo writes space, tab, newline and backslash as a backslash and three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
