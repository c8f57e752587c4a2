import Foundation

/// The processes of this machine whose arguments or environment hold the text.
package func processes(holding text: String, in file: String = "cmdline") -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { name in
        guard let pid = Int32(name), let data = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)"),
            data.range(of: Data(text.utf8)) != nil
        else { return nil }
        return pid
    }
}

/// The processes that work in the folder or below it.
package func processes(workingIn folder: String) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { name in
        guard let pid = Int32(name),
            let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd"),
            place == folder || place.hasPrefix(folder + "/") || place == folder + " (deleted)"
        else { return nil }
        return pid
    }
}
