/// Reads fields whose text has to follow a rule.
extension JSONNode {
    package func text(_ rule: TextRule) throws(SchemaViolation) -> String {
        let text = try string()
        guard rule.holds(text) else { throw violation(rule.sentence) }
        return text
    }

    package func list(of rule: TextRule) throws(SchemaViolation) -> [String] {
        try list { (item) throws(SchemaViolation) in try item.text(rule) }
    }

    /// A record with free keys.
    package func dictionary<Item>(
        names rule: TextRule, _ read: (JSONNode) throws(SchemaViolation) -> Item
    ) throws(SchemaViolation) -> [String: Item] {
        var items: [String: Item] = [:]
        for (name, node) in try members() {
            guard rule.holds(name) else {
                // A key "NAME=VALUE" is a slip, and its value may be a secret: the error shows the name alone.
                let shown = String(name.unicodeScalars.prefix { $0 != "=" })
                throw SchemaViolation(path: childPath(shown), rule: "the name \(rule.sentence)")
            }
            items[name] = try read(node)
        }
        return items
    }

    package func taggedReference() throws(SchemaViolation) -> ImageReference {
        try reference(.taggedReference)
    }

    package func pinnedReference() throws(SchemaViolation) -> ImageReference {
        try reference(.pinnedReference)
    }

    package func cacheStore(_ side: CacheStore.Side) throws(SchemaViolation) -> CacheStore {
        guard let store = try? CacheStore(try string(), side) else {
            throw violation((side == .from ? TextRule.cacheSource : .cacheTarget).sentence)
        }
        return store
    }

    private func reference(_ rule: TextRule) throws(SchemaViolation) -> ImageReference {
        guard let reference = ImageReference(try text(rule)) else { throw violation(rule.sentence) }
        return reference
    }
}
