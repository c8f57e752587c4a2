/// An expression as a nondeterministic automaton.
struct RegexProgram: Sendable {
    enum Instruction: Sendable {
        /// Takes one scalar of the set.
        case take(set: Int, next: Int)
        case fork(Int, Int)
        case check(RegexAssertion, next: Int)
        case match
    }

    private(set) var instructions: [Instruction] = [.match]
    private(set) var sets: [ScalarSet] = []
    private(set) var start = 0
    /// Whether a match can only begin where the text begins.
    private(set) var isAnchored = false

    /// No pattern that a person wrote comes near it.
    private static let mostInstructions = 1 << 18

    init(_ node: RegexNode) throws(RegexError) {
        start = try compile(node, next: 0)
        isAnchored = !canStartLater(start)
    }

    /// Built from the end: each piece knows what follows it. Returns where the piece begins.
    private mutating func compile(_ node: RegexNode, next: Int) throws(RegexError) -> Int {
        switch node {
        case .set(let set):
            if sets.last != set { sets.append(set) }
            return try add(.take(set: sets.count - 1, next: next))
        case .assertion(let assertion):
            return try add(.check(assertion, next: next))
        case .sequence(let nodes):
            var next = next
            for node in nodes.reversed() { next = try compile(node, next: next) }
            return next
        case .choice(let branches):
            var begin = try compile(branches[branches.count - 1], next: next)
            for branch in branches.dropLast().reversed() {
                begin = try add(.fork(try compile(branch, next: next), begin))
            }
            return begin
        case .repetition(let node, let least, let most):
            var begin = next
            if let most {
                for _ in least..<max(least, most) {
                    begin = try add(.fork(try compile(node, next: begin), next))
                }
            } else {
                let loop = try add(.fork(next, next))
                instructions[loop] = .fork(try compile(node, next: loop), next)
                begin = loop
            }
            for _ in 0..<least { begin = try compile(node, next: begin) }
            return begin
        }
    }

    private mutating func add(_ instruction: Instruction) throws(RegexError) -> Int {
        guard instructions.count < Self.mostInstructions else { throw RegexError("the pattern is too large") }
        instructions.append(instruction)
        return instructions.count - 1
    }

    /// Whether a scalar or the match can be reached from here without passing the start of the text.
    private func canStartLater(_ start: Int) -> Bool {
        var seen = Set<Int>()
        var pending = [start]
        while let index = pending.popLast() {
            guard seen.insert(index).inserted else { continue }
            switch instructions[index] {
            case .take, .match: return true
            case .fork(let left, let right): pending += [left, right]
            case .check(.textStart, _): break
            case .check(_, let next): pending.append(next)
            }
        }
        return false
    }
}
