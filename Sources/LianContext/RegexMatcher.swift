/// Runs a program over names. What it learns on the way it keeps as a deterministic automaton, so that the next name
/// costs one table look-up per byte; a name never costs more than its length times the program's.
///
/// Not for two threads at a time.
final class RegexMatcher {
    private let program: RegexProgram
    private var states: [State] = []
    private var indices: [State: Int32] = [:]
    /// A row per state: the state after each ASCII byte, and after the end of the text.
    private var transitions: [Int32] = []
    private var keptCounters = 0
    /// How many times the table has been emptied.
    private var generation = 0

    // For one step, kept so that it need not allocate them.
    private var pending: [Int32] = []
    private var taken: [Int32] = []
    /// The round in which an instruction was last come by.
    private var visited: [Int32]
    private var round: Int32 = 0

    /// Where the program stands between two characters, before any assertion has been checked.
    private struct State: Hashable {
        var counters: [Int32]
        var isAtStart: Bool
        var isAfterWord: Bool

        func hash(into hasher: inout Hasher) {
            counters.withUnsafeBytes { hasher.combine(bytes: $0) }
            hasher.combine(isAtStart)
            hasher.combine(isAfterWord)
        }
    }

    private static let rowLength = 129
    private static let end: UInt32 = 128
    private static let unknown: Int32 = -1
    private static let failed: Int32 = -2
    private static let matched: Int32 = -3
    private static let unknownRow = [Int32](repeating: unknown, count: rowLength)
    private static let mostStates = 256
    private static let mostKeptCounters = 1 << 16

    init(_ program: RegexProgram) {
        self.program = program
        visited = [Int32](repeating: 0, count: program.instructions.count)
    }

    /// Whether the expression matches anywhere in the text.
    func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var state = startState()
        var index = 0
        while index < text.count {
            let (scalar, width) = GoText.decode(text, at: index)
            index += width
            state = scalar < 0x80 ? step(from: state, over: scalar) : next(from: state, over: scalar)
            if state < 0 { return state == Self.matched }
        }
        return step(from: state, over: Self.end) == Self.matched
    }

    private func startState() -> Int32 {
        if states.isEmpty {
            return intern(State(counters: [Int32(program.start)], isAtStart: true, isAfterWord: false))
        }
        return 0
    }

    @inline(__always)
    private func step(from state: Int32, over symbol: UInt32) -> Int32 {
        let known = transitions[Int(state) * Self.rowLength + Int(symbol)]
        return known != Self.unknown ? known : learn(from: state, over: symbol)
    }

    private func learn(from state: Int32, over symbol: UInt32) -> Int32 {
        let generationBefore = generation
        let result = next(from: state, over: symbol == Self.end ? nil : symbol)
        // Where the table was emptied on the way, the row is gone.
        if generationBefore == generation { transitions[Int(state) * Self.rowLength + Int(symbol)] = result }
        return result
    }

    // One step of the nondeterministic automaton.

    private func next(from index: Int32, over scalar: UInt32?) -> Int32 {
        let state = states[Int(index)]
        let isBeforeWord = scalar.map(RegexClasses.words.contains) ?? false
        startRound()
        pending.append(contentsOf: state.counters)
        taken.removeAll(keepingCapacity: true)
        while let counter = pending.popLast() {
            guard visited[Int(counter)] != round else { continue }
            visited[Int(counter)] = round
            switch program.instructions[Int(counter)] {
            case .match:
                pending.removeAll(keepingCapacity: true)
                return Self.matched
            case .fork(let left, let right):
                pending.append(Int32(right))
                pending.append(Int32(left))
            case .check(let assertion, let next):
                let holds =
                    switch assertion {
                    case .textStart: state.isAtStart
                    case .textEnd: scalar == nil
                    case .wordBoundary: state.isAfterWord != isBeforeWord
                    case .noWordBoundary: state.isAfterWord == isBeforeWord
                    }
                if holds { pending.append(Int32(next)) }
            case .take(let set, let next):
                if let scalar, program.sets[set].contains(scalar) { taken.append(Int32(next)) }
            }
        }
        guard scalar != nil else { return Self.failed }
        if !program.isAnchored { taken.append(Int32(program.start)) }
        startRound()
        let counters = taken.filter { counter in
            let isNew = visited[Int(counter)] != round
            visited[Int(counter)] = round
            return isNew
        }
        guard !counters.isEmpty else { return Self.failed }
        return intern(State(counters: counters, isAtStart: false, isAfterWord: isBeforeWord))
    }

    private func startRound() {
        if round == .max {
            round = 0
            for index in visited.indices { visited[index] = 0 }
        }
        round += 1
    }

    private func intern(_ state: State) -> Int32 {
        if let index = indices[state] { return index }
        if states.count >= Self.mostStates || keptCounters > Self.mostKeptCounters { forget() }
        let index = Int32(states.count)
        states.append(state)
        indices[state] = index
        keptCounters += state.counters.count
        transitions += Self.unknownRow
        return index
    }

    /// Starts the table anew, its first row being the start again.
    private func forget() {
        let start = states[0]
        states = []
        indices = [:]
        transitions = []
        keptCounters = 0
        generation += 1
        _ = intern(start)
    }
}
