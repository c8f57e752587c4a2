import Glibc
import LianTestSupport

/// A folder's contents as a seed decides them, and what may lie in its place from before: left by an earlier build, or
/// planted by somebody who means harm.
struct SeededTree {
    private enum Node {
        case folder
        case file([UInt8])
        case link(String)
        case fifo
    }

    private struct Entry {
        let path: [UInt8]
        var node: Node
        var mode: mode_t
        var time: timespec
    }

    private var entries: [Entry] = []
    private var generator: SeededGenerator

    private static let names: [[UInt8]] =
        ["a", "b", "keep", "x.log", "y.tmp", "a b", "-rf", "#c", "new\nline", "*", "[q]?", "back\\*slash", "ü", "..."]
        .map { Array($0.utf8) } + [[0x63, 0xFF, 0xE9], Array(repeating: UInt8(ascii: "n"), count: 255)]

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        var folders: [[UInt8]] = [[]]
        var taken: Set<[UInt8]> = []
        for _ in 0..<30 {
            let path = below(generator.pick(folders), generator.pick(Self.names))
            guard taken.insert(path).inserted else { continue }
            let node = someNode()
            if case .folder = node { folders.append(path) }
            entries.append(Entry(path: path, node: node, mode: mode(of: node), time: time()))
        }
    }

    private func below(_ folder: [UInt8], _ name: [UInt8]) -> [UInt8] {
        folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
    }

    private mutating func someNode() -> Node {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0..<4: .folder
        case 4..<8: .file(bytes(generator.pick([0, 1, 100, 70_000])))
        case 8: .link(generator.pick(["a", "../b", "/etc/passwd", "no such", "."]))
        default: .fifo
        }
    }

    private mutating func bytes(_ count: Int) -> [UInt8] {
        let start = UInt8.random(in: .min ... .max, using: &generator)
        return (0..<count).map { start &+ UInt8(truncatingIfNeeded: $0) }
    }

    private mutating func mode(of node: Node) -> mode_t {
        if case .folder = node { return generator.pick([0o755, 0o700, 0o1777, 0o555]) }
        return generator.pick([0o644, 0o600, 0o755, 0o444, 0o4755])
    }

    private mutating func time() -> timespec {
        timespec(
            tv_sec: Int.random(in: 0...1_900_000_000, using: &generator),
            tv_nsec: Int.random(in: 0..<1_000_000_000, using: &generator))
    }

    func make(at root: String) throws {
        try Self.make(entries, at: root)
    }

    /// What lay there before, some of it as it is now. `outside` is a folder beside it with a file `victim`.
    func makeLeftovers(at root: String, outside: String) throws {
        var copy = self
        try copy.plant(at: root, outside: outside)
    }

    private mutating func plant(at root: String, outside: String) throws {
        var left: [Entry] = []
        var linked: [(path: [UInt8], to: String)] = []
        for entry in entries {
            var other = entry
            switch Int.random(in: 0..<12, using: &generator) {
            case 0: continue
            case 1:
                // The same size and time, another content: what a comparison by both takes for unchanged.
                if case .file(let bytes) = entry.node { other.node = .file(bytes.map { $0 ^ 1 }) }
            case 2: other.mode = 0
            case 3: other.mode = mode(of: entry.node)
            case 4: other.time = time()
            case 5: other.time.tv_nsec = (other.time.tv_nsec + 1) % 1_000_000_000
            case 6: other.node = someNode()
            case 7: other.node = .link(outside)
            case 8: other.node = .link("\(outside)/victim")
            case 9:
                // One file of two names: what is written to one is written to both.
                linked.append((entry.path, "\(outside)/victim"))
                continue
            case 10:
                if let file = left.last(where: { if case .file = $0.node { true } else { false } }) {
                    linked.append((entry.path, "\(root)/\(String(decoding: file.path, as: UTF8.self))"))
                    continue
                }
            default: break
            }
            left.append(other)
        }
        var folders: [[UInt8]] = [[]] + left.compactMap { if case .folder = $0.node { $0.path } else { nil } }
        for number in 0..<6 {
            let node = someNode()
            let path = below(generator.pick(folders), Array("stale \(number)\(generator.pick(["", ".log"]))".utf8))
            if case .folder = node { folders.append(path) }
            left.append(Entry(path: path, node: node, mode: generator.oneIn(3) ? 0 : mode(of: node), time: time()))
        }
        try Self.make(left, at: root, linked)
    }

    /// What lies in something that is no folder is left out. Modes and times come last, from the deepest up.
    private static func make(_ entries: [Entry], at root: String, _ linked: [(path: [UInt8], to: String)] = []) throws {
        guard mkdir(root, 0o755) == 0 || errno == EEXIST else { throw FixtureError("mkdir \(root): \(errno)") }
        var folders: Set<[UInt8]> = [[]]
        var made: [Entry] = []
        func hasFolder(_ path: [UInt8]) -> Bool {
            folders.contains(path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[..<$0]) } ?? [])
        }
        func place(_ path: [UInt8]) -> [CChar] {
            "\(root)/".utf8CString.dropLast() + path.map { CChar(bitPattern: $0) } + [0]
        }
        for entry in entries where hasFolder(entry.path) {
            let path = place(entry.path)
            switch entry.node {
            case .folder:
                guard mkdir(path, 0o700) == 0 else { throw FixtureError("mkdir: \(errno)") }
                folders.insert(entry.path)
            case .file(let bytes):
                let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                guard file >= 0, write(file, bytes, bytes.count) == bytes.count else {
                    throw FixtureError("write: \(errno)")
                }
                close(file)
            case .link(let target): guard symlink(target, path) == 0 else { throw FixtureError("symlink: \(errno)") }
            case .fifo: guard mkfifo(path, 0o600) == 0 else { throw FixtureError("mkfifo: \(errno)") }
            }
            made.append(entry)
        }
        // A second name of a file, where there is one.
        for (path, target) in linked where hasFolder(path) { link(target, place(path)) }
        for entry in made.reversed() {
            let path = place(entry.path)
            if case .link = entry.node {} else { chmod(path, entry.mode) }
            var times = [entry.time, entry.time]
            utimensat(AT_FDCWD, path, &times, AT_SYMLINK_NOFOLLOW)
        }
    }
}
