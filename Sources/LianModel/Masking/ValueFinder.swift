/// Finds every occurrence of many values in bytes that come in pieces. It takes one step for each byte, however the
/// values begin and overlap (the automaton of Aho and Corasick).
struct ValueFinder: Sendable {
    /// A prefix of one or more values, one byte longer than its parent's prefix.
    private struct Node {
        var byte: UInt8 = 0
        var depth: Int32 = 0
        var firstChild: Int32 = 0
        var nextSibling: Int32 = 0
        /// The longest other prefix of a value that this prefix ends in. The search goes on from it if no child fits.
        var fallback: Int32 = 0
        /// The length of the longest value that ends here; 0 if none does.
        var found: Int32 = 0
    }

    /// The index of the node that the bytes so far have led to.
    typealias State = Int32

    /// The state outside of every value. It is no node's child or sibling, so 0 also means "none" there.
    static let outside: State = 0

    private var nodes = [Node()]
    /// The children of `outside` by their bytes. Most bytes of a log begin no value, which one look here tells.
    private var beginnings = [State](repeating: outside, count: 256)

    init(_ values: some Sequence<[UInt8]>) {
        for value in values where !value.isEmpty { insert(value) }
        link()
    }

    var isEmpty: Bool { nodes.count == 1 }

    /// Searches these bytes from an index on. `visit` is called after each byte that leads into a value or out of one,
    /// with the states before and after the byte and the index behind it.
    func search(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, at state: inout State,
        visit: (_ before: State, _ after: State, _ end: Int) -> Void
    ) {
        nodes.withUnsafeBufferPointer { nodes in
            beginnings.withUnsafeBufferPointer { beginnings in
                var current = state
                var index = start
                while index < bytes.count {
                    if current == Self.outside {
                        // Most bytes of a log are skipped here.
                        while index < bytes.count, beginnings[Int(bytes[index])] == Self.outside { index += 1 }
                        guard index < bytes.count else { break }
                    }
                    let before = current
                    current = Self.next(before, bytes[index], nodes, beginnings)
                    index += 1
                    visit(before, current, index)
                }
                state = current
            }
        }
    }

    /// How many of the last bytes may be the beginning of a value.
    func depth(of state: State) -> Int { Int(nodes[Int(state)].depth) }

    /// The length of the longest value that ends here; 0 if none does.
    func found(at state: State) -> Int { Int(nodes[Int(state)].found) }

    private static func next(
        _ state: State, _ byte: UInt8, _ nodes: UnsafeBufferPointer<Node>, _ beginnings: UnsafeBufferPointer<State>
    ) -> State {
        var state = state
        while state != outside {
            var child = nodes[Int(state)].firstChild
            while child != outside {
                if nodes[Int(child)].byte == byte { return child }
                child = nodes[Int(child)].nextSibling
            }
            state = nodes[Int(state)].fallback
        }
        return beginnings[Int(byte)]
    }

    private mutating func insert(_ value: [UInt8]) {
        var state = Self.outside
        for (index, byte) in value.enumerated() {
            state = child(of: state, byte) ?? add(byte, depth: index + 1, to: state)
        }
        nodes[Int(state)].found = Int32(value.count)
    }

    private func child(of state: State, _ byte: UInt8) -> State? {
        var child = state == Self.outside ? beginnings[Int(byte)] : nodes[Int(state)].firstChild
        while child != Self.outside, nodes[Int(child)].byte != byte { child = nodes[Int(child)].nextSibling }
        return child == Self.outside ? nil : child
    }

    private mutating func add(_ byte: UInt8, depth: Int, to state: State) -> State {
        let child = State(nodes.count)
        nodes.append(Node(byte: byte, depth: Int32(depth)))
        if state == Self.outside {
            beginnings[Int(byte)] = child
        } else {
            nodes[Int(child)].nextSibling = nodes[Int(state)].firstChild
            nodes[Int(state)].firstChild = child
        }
        return child
    }

    /// Sets the fallbacks of shorter prefixes first, because those of longer ones follow from them.
    private mutating func link() {
        var queue = beginnings.filter { $0 != Self.outside }
        var position = 0
        while position < queue.count {
            let parent = nodes[Int(queue[position])]
            position += 1
            var child = parent.firstChild
            while child != Self.outside {
                let fallback = nodes.withUnsafeBufferPointer { nodes in
                    beginnings.withUnsafeBufferPointer {
                        Self.next(parent.fallback, nodes[Int(child)].byte, nodes, $0)
                    }
                }
                nodes[Int(child)].fallback = fallback
                if nodes[Int(child)].found == 0 { nodes[Int(child)].found = nodes[Int(fallback)].found }
                queue.append(child)
                child = nodes[Int(child)].nextSibling
            }
        }
    }
}
