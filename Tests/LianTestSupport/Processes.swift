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

/// The path of the program that the process runs; nil where the process is gone.
package func program(of pid: Int32) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")
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
package func peakMemory(of pid: Int32) -> Int { (statusNumber("VmHWM", of: pid) ?? 0) << 10 }

/// How many threads the process has; 0 where it is gone.
package func threadCount(of pid: Int32) -> Int { statusNumber("Threads", of: pid) ?? 0 }

/// Whether it has a handler for the signal.
package func catches(_ signal: Int32, _ pid: Int32) -> Bool {
    let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    guard let mask = status.firstMatch(of: #/SigCgt:\s+([0-9a-f]+)/#), let bits = UInt64(mask.1, radix: 16) else {
        return false
    }
    return bits >> UInt64(signal - 1) & 1 == 1
}

/// The number behind the name in the kernel's account of the process.
private func statusNumber(_ name: String, of pid: Int32) -> Int? {
    let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix("\(name):") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
}

/// How many files the process may have open, now and at the most.
package func descriptorLimits(of pid: Int32) -> (soft: Int?, hard: Int?) {
    let limits = try? String(contentsOfFile: "/proc/\(pid)/limits", encoding: .utf8)
    let line = limits?.split(separator: "\n").first { $0.hasPrefix("Max open files") }
    let numbers = line?.split(whereSeparator: \.isWhitespace).dropFirst(3).prefix(2).map { Int($0) } ?? []
    return numbers.count == 2 ? (numbers[0], numbers[1]) : (nil, nil)
}

/// The processes that this one has started and that still run.
package func children(of pid: Int32) -> [Int32] {
    allProcesses().filter { parent(of: $0) == pid }
}

/// Whether it runs no more: it is gone, or only its parent has not collected it yet.
package func hasEnded(_ pid: Int32) -> Bool { ["Z", "X", nil].contains(statFields("\(pid)").first) }

/// Whether none of its threads is at work.
package func isIdle(_ pid: Int32) -> Bool {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
    return threads.allSatisfy { ["S", nil].contains(statFields("\(pid)/task/\($0)").first) }
}

private func parent(of pid: Int32) -> Int32? {
    let fields = statFields("\(pid)")
    return fields.count > 1 ? Int32(fields[1]) : nil
}

/// What follows the program's name in the kernel's line of a process or a thread: its state, its parent and more.
private func statFields(_ task: String) -> [Substring] {
    guard let line = try? String(contentsOfFile: "/proc/\(task)/stat", encoding: .utf8),
        let end = line.lastIndex(of: ")")
    else { return [] }
    return line[line.index(after: end)...].split(separator: " ")
}
