/// The most bytes that Linux allows in a path: neither we nor an engine can open a longer one.
package let longestPath = 4095

extension LianError {
    package static func pathTooLong(_ path: some Collection<UInt8>, _ phase: Phase, on place: String) -> LianError {
        LianError(
            .pathTooLong, phase,
            "a path of the context has \(path.count) bytes on \(place), where \(longestPath) is the most that can be "
                + "opened: \(shortened(path))",
            hint: "Exclude it in the ignore file, or shorten the names of its folders.")
    }

    /// The beginning and the end of a long path are enough to recognize it.
    private static func shortened(_ path: some Collection<UInt8>) -> String {
        let end = 60
        let text = String(decoding: path, as: UTF8.self)
        return onOneLine(text.count > 2 * end ? "\(text.prefix(end))…\(text.suffix(end))" : text)
    }
}
