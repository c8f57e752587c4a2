import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// The checker that lint holds adr-008 by, on a small project of its own: `Base` below `Walk`, whose folders are `First`
/// and `Second`.
@Suite struct ArrowTests {
    private static let arrow: JSONValue = [
        "modules": ["Base": [], "Walk": ["Base"]], "folders": ["Walk": ["First", "Second"]],
    ]
    private static let sources = [
        "Base/Thing.swift": "package struct Thing {}\n",
        "Walk/First/Start.swift": "import Base\n\nstruct Start { let thing: Thing }\n",
        "Walk/Second/End.swift": """
        struct End { let start: Start }

        extension Start {
            func finish() -> End { End(start: self) }
        }

        """,
        "Walk/All.swift": "func all(_ start: Start) -> End { start.finish() }\n",
    ]

    /// What the checker says of the project with these files in it, or in the place of its own.
    private func complaints(
        _ changes: [String: String] = [:], arrow: JSONValue = arrow, listing walk: [String] = ["Base"]
    ) async throws -> [String] {
        try await withTemporaryFolder { folder in
            for (name, text) in Self.sources.merging(changes, uniquingKeysWith: { $1 }) {
                let file = folder.appending(path: "Sources/\(name)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try text.write(to: file, atomically: true, encoding: .utf8)
            }
            func target(_ name: String, _ uses: [String]) -> JSONValue {
                [
                    "name": .string(name), "type": "regular",
                    "dependencies": .array(uses.map { ["byName": [.string($0), .null]] }),
                ]
            }
            let manifest: JSONValue = ["targets": [target("Base", []), target("Walk", walk)]]
            try arrow.encoded().write(to: folder.appending(path: "arrow.json"), atomically: true, encoding: .utf8)
            try manifest.encoded().write(
                to: folder.appending(path: "manifest.json"), atomically: true, encoding: .utf8)
            let result = try await run(
                Command(
                    try Project.tool("python3"),
                    ["-B", Project.root.appending(path: "scripts/lib/arrow.py").path]
                        + ["arrow.json", "manifest.json", "."].map { folder.appending(path: $0).path },
                    environment: [:]), deadline: .seconds(60))
            let lines = result.outputText.split(separator: "\n").map(String.init)
            #expect(result.termination == .exited(lines.isEmpty ? 0 : 1), "\(result.errorText)")
            return lines
        }
    }

    @Test func usesAlongTheArrow() async throws {
        #expect(try await complaints() == [])
    }

    @Test func aFolderThatUsesALaterOne() async throws {
        #expect(
            try await complaints(["Walk/First/Back.swift": "let back: End? = nil\n"])
                == ["Sources/Walk/First/Back.swift: First uses End of Second, which comes after it"])
    }

    @Test func aMemberThatALaterFolderAdds() async throws {
        #expect(
            try await complaints(["Walk/First/Back.swift": "func back(_ start: Start) { _ = start.finish() }\n"])
                == ["Sources/Walk/First/Back.swift: First uses finish of Second, which comes after it"])
    }

    @Test func theSequenceIsAfterAllFolders() async throws {
        #expect(
            try await complaints(["Walk/Second/Back.swift": "func back(_ start: Start) { _ = all(start) }\n"])
                == ["Sources/Walk/Second/Back.swift: Second uses all of the sequence, which comes after it"])
    }

    @Test func theOtherOrder() async throws {
        let turned: JSONValue = [
            "modules": ["Base": [], "Walk": ["Base"]], "folders": ["Walk": ["Second", "First"]],
        ]
        #expect(
            try await complaints(arrow: turned)
                == ["Sources/Walk/Second/End.swift: Second uses Start of First, which comes after it"])
    }

    @Test func aModuleThatUsesOneAboveIt() async throws {
        #expect(
            try await complaints(["Base/Back.swift": "import Walk\n"])
                == ["Sources/Base/Back.swift: Base uses Walk, which adr-008 does not allow it"])
    }

    @Test func whatIsAllowedAndNotUsed() async throws {
        let wide: JSONValue = [
            "modules": ["Base": ["Walk"], "Walk": ["Base"]], "folders": ["Walk": ["First", "Second"]],
        ]
        #expect(
            try await complaints(arrow: wide) == [
                "adr-008: Base may use Walk and does not: take it out",
                "Package.swift: Base lists [], adr-008 ['Walk']",
            ])
    }

    @Test func whatPackageSwiftLists() async throws {
        #expect(try await complaints(listing: []) == ["Package.swift: Walk lists [], adr-008 ['Base']"])
    }

    @Test func whatHasNoPlaceYet() async throws {
        #expect(
            try await complaints(["Walk/Third/New.swift": "struct New {}\n", "Other/New.swift": "struct New {}\n"]) == [
                "Sources/Other: the module Other has no place in adr-008: add it to `modules`",
                "Sources/Walk/Third/New.swift: the folder Third has no place in adr-008: add it to `folders.Walk`",
            ])
    }

    @Test func whatIsALaterFoldersOwnIsAnothersWord() async throws {
        let files = [
            "Walk/First/Words.swift": "func take(request: Int) -> Int { request }\n",
            "Walk/Second/Own.swift": "private func request() {}\nfileprivate let take = 1\n",
        ]
        #expect(try await complaints(files) == [])
    }

    @Test func aNameInACommentOrAStringIsNoUse() async throws {
        #expect(try await complaints(["Walk/First/Words.swift": "// An End comes later.\nlet word = \"End\"\n"]) == [])
    }
}
