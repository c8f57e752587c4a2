/// Whether a build wants its runner to start from a volume, and from which.
package enum VolumeChoice: Equatable, Sendable {
    /// One that is named after the first artifact.
    case on
    case off
    case named(String)

    private enum Word: String, CaseIterable {
        case on, off
    }

    package static let rule = "must be on, off or a record with a name"

    package init(_ node: JSONNode) throws(SchemaViolation) {
        if node.value.objectValue != nil {
            var record = try node.record()
            self = .named(try record.required("name").slug())
            try record.close()
        } else {
            guard let choice = node.value.stringValue.flatMap(Self.init(word:)) else { throw node.violation(Self.rule) }
            self = choice
        }
    }

    /// Reads one of the words; nil for every other text.
    private init?(word: String) {
        switch Word(rawValue: word) {
        case .on?: self = .on
        case .off?: self = .off
        case nil: return nil
        }
    }

    /// Reads what follows `--volume`: a word, or the name itself. nil where it is neither.
    package init?(flag text: String) {
        if let word = VolumeChoice(word: text) {
            self = word
        } else if Identifier.isSlug(text) {
            self = .named(text)
        } else {
            return nil
        }
    }
}
