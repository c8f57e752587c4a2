import Foundation

/// Every process of this machine, as far as they can be seen.
package func allProcesses() -> [Int32] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }
}

/// The processes of this machine whose arguments or environment hold the text.
package func processes(holding text: String, in file: String = "cmdline") -> [Int32] {
    let wanted = Data(text.utf8)
    return allProcesses().filter { pid in
        FileManager.default.contents(atPath: "/proc/\(pid)/\(file)")?.range(of: wanted) != nil
    }
}

/// The processes that work in the folder or below it.
package func processes(workingIn folder: String) -> [Int32] {
    allProcesses().filter { pid in
        guard let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") else {
            return false
        }
        return place == folder || place.hasPrefix(folder + "/") || place == folder + " (deleted)"
    }
}

/// For messages: the arguments, with spaces between them.
package func commandLine(of pid: Int32) -> String {
    let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
    return String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }.prefix(200), as: UTF8.self)
}

/// The most memory that the process ever held, in bytes; 0 where it is gone.
package func peakMemory(of pid: Int32) -> Int {
    guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
        let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
    else { return 0 }
    return kilobytes << 10
}

/// The processes that this one has started and that still run.
package func children(of pid: Int32) -> [Int32] {
    allProcesses().filter { parent(of: $0) == pid }
}

private func parent(of pid: Int32) -> Int32? {
    guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let end = status.lastIndex(of: ")")
    else { return nil }
    let fields = status[end...].split(separator: " ")
    return fields.count > 2 ? Int32(fields[2]) : nil
}
