/// A table while it is being read: TOML lets a document come back to it, or not, depending on how it was opened.
final class TOMLNest {
    enum Member {
        /// An inline table and an array too: they are whole, and nothing is ever added to them.
        case value(TOMLValue)
        case table(TOMLNest)
        /// What `[[key]]` makes; never empty.
        case tables(List)
    }

    /// Grows in place, however many there are.
    final class List {
        var nests: [TOMLNest] = []
    }

    private var members = MembersInOrder<Member>()
    /// How many tables and arrays it stands in.
    let depth: Int
    /// Whether a header `[key]` has named it, or dotted keys of a section that is over have made it: neither a header
    /// nor another section's dotted keys may open it again.
    var isClosed = false

    init(depth: Int) {
        self.depth = depth
    }

    subscript(key: String) -> Member? {
        get { members[key] }
        set { members[key] = newValue }
    }

    /// The table of that key; made where there is none, and the last one of an array of tables. Nil where the key has
    /// another value.
    func opened(_ key: String) -> TOMLNest? {
        switch self[key] {
        case .table(let nest): return nest
        case .tables(let list): return list.nests.last
        case .value: return nil
        case nil:
            let nest = TOMLNest(depth: depth + 1)
            self[key] = .table(nest)
            return nest
        }
    }

    /// What `[key]` opens; nil where the key has another value, or was opened before.
    func declared(_ key: String) -> TOMLNest? {
        if case .tables = self[key] { return nil }
        guard let nest = opened(key), !nest.isClosed else { return nil }
        nest.isClosed = true
        return nest
    }

    /// What `[[key]]` opens; nil where the key has a value that is no array of tables.
    func appended(_ key: String) -> TOMLNest? {
        let list: List
        switch self[key] {
        case .tables(let present): list = present
        case nil:
            list = List()
            self[key] = .tables(list)
        case .table, .value: return nil
        }
        let nest = TOMLNest(depth: depth + 2)
        list.nests.append(nest)
        return nest
    }

    /// The table as it has become.
    var table: TOMLTable {
        var table = TOMLTable()
        for key in members.keys {
            switch members[key] {
            case .value(let value): table[key] = value
            case .table(let nest): table[key] = .table(nest.table)
            case .tables(let list): table[key] = .array(list.nests.map { .table($0.table) })
            case nil: break
            }
        }
        return table
    }
}
