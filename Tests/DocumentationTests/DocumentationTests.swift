import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// What the documents show is what happens: every command in them is run, and prints what stands below it.
@Suite(.needsDockerEngine)
struct DocumentationTests {
    /// Every document for users, by its path in the project.
    static let documents = ["README.md"] + names(in: "docs").map { "docs/\($0)" }

    @Test("every command of the document prints what the document says", arguments: documents)
    func commandsDoAsTheDocumentSays(path: String) async throws {
        let transcript = Transcript(try text(path))
        guard !transcript.steps.isEmpty else { return }
        let answers = try await World.run(transcript.steps, preparation: Self.preparation)
        for (step, answer) in zip(transcript.steps, answers) {
            let place = "\(path), line \(step.line): $ \(step.command)"
            let lines = try #require(answer, "\(place) never ended")
            #expect(step.accepts(lines[...]), "\(place)\n\(lines.joined(separator: "\n"))")
        }
    }

    @Test("no command stands in a document without being run", arguments: documents)
    func commandsStandInConsoleBlocks(path: String) throws {
        let known = [
            "text", "json", "nickel", "nickel fragment", "yaml", "groovy", "dockerfile", "mermaid", "ini", "html",
            "swift",
        ]
        for block in Transcript(try text(path)).others {
            if block.language == "sh" {
                // What builds the project or changes the machine; that it is there is all that can be seen from within.
                for line in block.text where !line.isEmpty {
                    #expect(isOwn(line) || Self.runElsewhere.contains { line.hasPrefix($0) }, "\(path): \(line)")
                }
            } else {
                #expect(known.contains(block.language), "\(path), line \(block.line): a block of '\(block.language)'")
            }
        }
    }

    /// A fragment is fields of the whole file, whatever the other fields are.
    @Test("what documents show in Nickel are directives", arguments: documents)
    func directivesAreGood(path: String) async throws {
        for block in Transcript(try text(path)).others where block.language.hasPrefix("nickel") {
            let shown = block.text.joined(separator: "\n")
            let whole = block.language == "nickel" ? shown : Self.whole(around: shown)
            let place = "\(path), line \(block.line)"
            let answer = try await withTemporaryFolder { folder in
                try await nickelExport(whole, named: "shown.ncl", in: folder)
            }
            let value = try #require(answer.value, "\(place): \(answer.diagnostic)")
            #expect(throws: Never.self, "\(place)") { try BuildDirectives(JSONNode(value)) }
        }
    }

    private static func whole(around fields: String) -> String {
        """
        let { make_build_directives, .. } = import "defaults/build_directives.ncl" in
        make_build_directives (
          {
            workspace | default = "acme",
            artifacts | default = [{ name = "app", context = ".", image = "localhost:5000/acme/app:1" }],
            compute | default = { provider = 'local },
            registry | default = { provider = 'zot, endpoint = "localhost:5000" },
          }
          & {
        \(fields)
          }
        )
        """
    }

    @Test("every error and every warning has a place of its own in docs/errors.md, and nothing else has")
    func errorsAreDescribed() throws {
        let headings = try text("docs/errors.md").components(separatedBy: "\n")
            .filter { $0.hasPrefix("### ") }.map { String($0.dropFirst(4)) }
        let codes = ErrorCode.allCases.map(\.rawValue) + WarningCode.allCases.map(\.rawValue)
        #expect(headings.sorted() == codes.sorted())
    }

    @Test("every link within the project leads somewhere", arguments: documents)
    func linksLead(path: String) throws {
        let folder = Project.root.appending(path: path).deletingLastPathComponent()
        for match in try text(path).matches(of: /\]\(([^)\s]+)\)/) {
            let target = String(match.1)
            guard !target.hasPrefix("http") else { continue }
            let parts = target.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
            let file = parts[0].isEmpty ? Project.root.appending(path: path) : folder.appending(path: parts[0])
            #expect(FileManager.default.fileExists(atPath: file.path), "\(path): \(target)")
            if parts.count > 1, let linked = try? String(contentsOf: file, encoding: .utf8) {
                #expect(anchors(of: linked).contains(parts[1]), "\(path): \(target)")
            }
        }
    }

    /// An orchestrator that names another machine's host key, for who asks at port 9012; a registry and a NATS server
    /// start as a document says.
    private static let preparation = """
        python3 '\(Project.root.path)/Tests/Fixtures/lying_orchestrator.py' 9012 9011 >lying.log 2>&1 &
        """

    private static func names(in folder: String) -> [String] {
        let all =
            (try? FileManager.default.contentsOfDirectory(atPath: Project.root.appending(path: folder).path)) ?? []
        return all.filter { $0.hasSuffix(".md") }.sorted()
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Project.root.appending(path: path), encoding: .utf8)
    }

    /// `scripts/deb --check` does the first two in a system of its own, `scripts/lint` the third.
    private static let runElsewhere = [
        "apt-get install ./lian-build_", "systemctl enable --now lian-", "python3 -m bench.",
    ]

    /// Whether it is one of the project's scripts or recipes.
    private func isOwn(_ line: String) -> Bool {
        let words = line.split(separator: " ").map(String.init)
        guard let first = words.first else { return false }
        if first == "just" { return words.count > 1 && recipes.contains(words[1]) }
        return first.hasPrefix("scripts/")
            && FileManager.default.isExecutableFile(atPath: Project.root.appending(path: first).path)
    }

    /// The names of the justfile's recipes.
    private var recipes: Set<String> {
        let lines = (try? text("justfile").components(separatedBy: "\n")) ?? []
        return Set(lines.compactMap { $0.firstMatch(of: /^([a-z-]+)[^:]*:$/).map { String($0.1) } })
    }

    /// As GitHub makes them of headings.
    private func anchors(of document: String) -> Set<String> {
        Set(
            document.components(separatedBy: "\n").filter { $0.hasPrefix("#") }.map { heading in
                heading.drop { $0 == "#" }.dropFirst().lowercased()
                    .filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }.replacing(" ", with: "-")
            })
    }
}
