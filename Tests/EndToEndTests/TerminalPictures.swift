import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// Pictures of real builds for the documentation: `just pictures` draws them into the folder that LIAN_PICTURES
    /// names. Nothing in them is drawn by hand.
    @Suite(.needsToBeWanted)
    struct TerminalPictures {
        private static let environment = ["TERM": "xterm-256color", "LANG": "C.UTF-8"]

        private static let dockerfile = """
            \(Scene.shell)RUN busybox seq 300 | busybox sed 's/.*/fetched package &/'
            FROM scratch AS notes
            COPY --from=0 / /
            SHELL ["/bin/busybox", "sh", "-c"]
            RUN for i in $(busybox seq 9); do echo "rendering chapter $i of 9"; busybox sleep 1; done
            FROM scratch AS program
            COPY --from=0 / /
            SHELL ["/bin/busybox", "sh", "-c"]
            RUN for i in $(busybox seq 9); do echo "cc -O2 -c part$i.c"; busybox md5sum /bin/busybox; busybox sleep 1; done
            FROM scratch
            COPY --from=notes /bin/busybox /notes
            COPY --from=program /bin/busybox /program

            """

        @Test(arguments: [("narrow", 40, 22), ("wide", 100, 24)])
        func inTheMiddleOfABuild(name: String, columns: Int, height: Int) async throws {
            try await withScene { scene in
                let context = try scene.context(Self.dockerfile)
                let picture = try await seen(
                    scene, scene.flags(context) + ["--cpu", "2", "--memory-gb", "1"], columns, height
                ) { screen in
                    // Docker's BuildKit tells of one step at a time.
                    screen.text.contains("mem ")
                        && (screen.text.contains("chapter 4") || screen.text.contains("part4.c"))
                }
                try save(picture, "terminal-\(name)")
            }
        }

        @Test func aFailure() async throws {
            try await withScene { scene in
                let context = try scene.context(
                    Scene.shell + "RUN echo 'cc -c main.c'; echo 'main.c:7: error: expected ; before }' >&2; exit 1\n")
                let flags = scene.flags(context) + ["--cpu", "2", "--memory-gb", "1"]
                try save(try await seen(scene, flags, 100, 30) { $0.text.contains("hint: ") }, "terminal-failure")
            }
        }

        @Test func outOfMemory() async throws {
            try await withScene { scene in
                _ = try scene.context(
                    Scene.shell + "RUN echo linking; busybox dd if=/dev/zero of=/dev/null bs=800M count=1\n")
                let file = try scene.directives(tiers: [("small", 0.5), ("large", 1.5)])
                let picture = try await seen(scene, ["--directives", file], 100, 34) { $0.text.contains("  runner   ") }
                try save(picture, "terminal-oom")
            }
        }

        /// The screen as it is when it holds what it is to show; the build goes on to its end.
        private func seen(
            _ scene: Scene, _ arguments: [String], _ columns: Int, _ height: Int, when: (TerminalScreen) -> Bool
        ) async throws -> TerminalScreen {
            let terminal = try PseudoTerminal(columns: columns, height: height)
            defer { terminal.close() }
            let running = try scene.start(arguments, environment: Self.environment, on: terminal)
            var picture: TerminalScreen?
            _ = await eventually {
                let screen = terminal.screen
                if when(screen) { picture = screen }
                return picture != nil
            }
            _ = try await running.finished()
            return try #require(picture, "\(terminal.screen.text)")
        }

        private func save(_ screen: TerminalScreen, _ name: String) throws {
            let folder = try #require(Project.pictures).path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let drawing = svg(screen)
            #expect(drawing.utf8.count < 30_000)
            try drawing.write(toFile: "\(folder)/\(name).svg", atomically: true, encoding: .utf8)
        }
    }
}

/// Everything that the terminal shows, as text in a picture.
private func svg(_ screen: TerminalScreen) -> String {
    let (cellWidth, rowHeight, margin) = (8, 18, 10)
    var rows = screen.cells
    while let last = rows.last, last.allSatisfy({ $0.text == " " }) { rows.removeLast() }
    let (width, height) = (screen.columns * cellWidth + 2 * margin, rows.count * rowHeight + 2 * margin)
    var drawing = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" width="\(width)" height="\(height)">
        <style>text{font:13px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8dee9;white-space:pre}\
        .b{font-weight:bold}.f{fill:#8a93a5}.c31{fill:#f0717b}.c32{fill:#8fce74}.c33{fill:#e8c46a}.c36{fill:#6fc7d9}</style>
        <rect width="100%" height="100%" rx="8" fill="#1c2129"/>

        """
    for (number, row) in rows.enumerated() {
        var start = 0
        while start < row.count {
            let style = row[start]
            var end = start
            while end < row.count,
                (row[end].color, row[end].isBold, row[end].isFaint)
                    == (style.color, style.isBold, style.isFaint)
            { end += 1 }
            let text = row[start..<end].map(\.text).joined()
            if !text.allSatisfy({ $0 == " " }) {
                let names = [style.isBold ? "b" : nil, style.isFaint ? "f" : nil, style.color.map { "c\($0)" }]
                let kind = names.compactMap { $0 }.joined(separator: " ")
                // Each run has its own width, so that columns stand under each other in every font.
                drawing += """
                    <text x="\(margin + start * cellWidth)" y="\(margin + number * rowHeight + 13)" \
                    textLength="\((end - start) * cellWidth)" xml:space="preserve"\
                    \(kind.isEmpty ? "" : " class=\"\(kind)\"")>\(escaped(text))</text>

                    """
            }
            start = end
        }
    }
    return drawing + "</svg>\n"
}

private func escaped(_ text: String) -> String {
    text.reduce(into: "") { result, character in
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        default: result.append(character)
        }
    }
}
