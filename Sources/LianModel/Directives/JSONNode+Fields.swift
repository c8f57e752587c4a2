/// The kinds of field that the directives are made of.
extension JSONNode {
    package func text(_ rule: TextRule) throws(SchemaViolation) -> String {
        let text = try string()
        guard rule.holds(text) else { throw violation(rule.sentence) }
        return text
    }

    /// One of a closed list of words.
    package func choice<Choice>(
        of type: Choice.Type
    ) throws(SchemaViolation) -> Choice where Choice: RawRepresentable<String> & CaseIterable {
        let text = try string()
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue)
            let hint = nearestName(to: text, among: names).map { "; did you mean '\($0)'?" } ?? ""
            throw violation("must be one of \(names.joined(separator: ", "))\(hint)")
        }
        return choice
    }

    package func list<Item>(
        _ read: (JSONNode) throws(SchemaViolation) -> Item
    ) throws(SchemaViolation) -> [Item] {
        try items().map(read)
    }

    package func list(of rule: TextRule) throws(SchemaViolation) -> [String] {
        try list { (item) throws(SchemaViolation) in try item.text(rule) }
    }

    /// An empty list is the same as none.
    package func filledList<Item>(
        _ read: (JSONNode) throws(SchemaViolation) -> Item
    ) throws(SchemaViolation) -> [Item]? {
        let items = try list(read)
        return items.isEmpty ? nil : items
    }

    /// A record with free keys.
    package func dictionary<Item>(
        names rule: TextRule, _ read: (JSONNode) throws(SchemaViolation) -> Item
    ) throws(SchemaViolation) -> [String: Item] {
        var items: [String: Item] = [:]
        for (name, node) in try members() {
            guard rule.holds(name) else {
                // "NAME=VALUE" as a key is a slip that must not show the value.
                let shown = String(name.unicodeScalars.prefix { $0 != "=" })
                throw SchemaViolation(path: childPath(shown), rule: "the name \(rule.sentence)")
            }
            items[name] = try read(node)
        }
        return items
    }

    func requireCount(in range: ClosedRange<Int>) throws(SchemaViolation) {
        guard range.contains(try items().count) else {
            throw violation("must hold \(range.lowerBound) to \(range.upperBound) of them")
        }
    }

    package func taggedReference() throws(SchemaViolation) -> ImageReference {
        try reference(.taggedReference)
    }

    package func pinnedReference() throws(SchemaViolation) -> ImageReference {
        try reference(.pinnedReference)
    }

    private func reference(_ rule: TextRule) throws(SchemaViolation) -> ImageReference {
        guard let reference = ImageReference(try text(rule)) else { throw violation(rule.sentence) }
        return reference
    }
}

extension [JSONNode] {
    /// Refuses the first item whose field has the value of an earlier one's.
    func requireUnique(_ field: String) throws(SchemaViolation) {
        var seen: Set<String> = []
        for item in self {
            var record = try item.record()
            let node = try record.required(field)
            guard seen.insert(try node.string()).inserted else { throw node.violation("must be unique in its list") }
        }
    }
}
