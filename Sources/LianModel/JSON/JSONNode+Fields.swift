/// Reads the kinds of field that all documents share.
extension JSONNode {
    package func slug() throws(SchemaViolation) -> String {
        let text = try string()
        guard Identifier.isSlug(text) else { throw violation(Identifier.slugRule) }
        return text
    }

    package func buildID() throws(SchemaViolation) -> String { try identifier() }
    package func runnerID() throws(SchemaViolation) -> String { try identifier() }

    private func identifier() throws(SchemaViolation) -> String {
        let text = try string()
        guard Identifier.isID(text) else { throw violation("must be 1 to 64 of A-Z, a-z, 0-9, '_' and '-'") }
        return text
    }

    /// A whole number for which the contract sets no largest one: what is too large to be counted is as much as can be.
    package func count() throws(SchemaViolation) -> Int {
        let number = try wholeNumber()
        guard number >= 0 else { throw violation("must be 0 or more") }
        return number
    }

    /// The same of either sign.
    package func wholeNumber() throws(SchemaViolation) -> Int {
        let number = try number(in: -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude)
        guard number == number.rounded(.down) else { throw violation("must be a whole number") }
        return value.intValue ?? (number < 0 ? .min : .max)
    }

    /// One of a closed list of words.
    package func choice<Choice>(
        of type: Choice.Type
    ) throws(SchemaViolation) -> Choice where Choice: RawRepresentable<String> & CaseIterable {
        let text = try string()
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue)
            throw violation(
                "must be one of \(names.joined(separator: ", "))", nearest: nearestName(to: text, among: names))
        }
        return choice
    }

    package func list<Item>(
        _ read: (JSONNode) throws(SchemaViolation) -> Item
    ) throws(SchemaViolation) -> [Item] {
        try items().map(read)
    }

    /// An empty list is the same as none.
    package func filledList<Item>(
        _ read: (JSONNode) throws(SchemaViolation) -> Item
    ) throws(SchemaViolation) -> [Item]? {
        let items = try list(read)
        return items.isEmpty ? nil : items
    }

    func requireCount(in range: ClosedRange<Int>) throws(SchemaViolation) {
        guard range.contains(try items().count) else {
            throw violation("must hold \(range.lowerBound) to \(range.upperBound) of them")
        }
    }
}

extension [JSONNode] {
    /// Refuses the first item whose field has the same value as an earlier item's.
    func requireUnique(_ field: String) throws(SchemaViolation) {
        var seen: Set<String> = []
        for item in self {
            var record = try item.record()
            let node = try record.required(field)
            guard seen.insert(try node.string()).inserted else { throw node.violation("must be unique in its list") }
        }
    }
}
