import LianBuildKit
import LianModel
import Testing

@Suite struct DockerfileLinesTests {
    private let file = DockerfileLines(
        """
        # syntax=docker/dockerfile:1
        FROM scratch AS base
        COPY a /a
        run  make \\
            # a comment between
            -j8   && \\

            make install
        FROM base
        RUN twice
        RUN twice
        """)

    @Test(arguments: [
        ("[base 1/3] COPY a /a", 3), ("[base 2/3] RUN make     -j8   &&     make install", 4), ("[2/3] RUN twice", nil),
        ("[2/3] RUN other", nil), ("exporting to image", nil), ("[internal", nil),
    ])
    func aStepIsFoundByItsInstruction(name: String, line: Int?) {
        #expect(file.line(ofStep: name) == line)
    }

    @Test func anotherEscapeAndNoLastLine() {
        let file = DockerfileLines("# escape=`\r\nFROM scratch\r\nRUN a `\r\n b")
        #expect(file.line(ofStep: "[2/2] RUN a  b") == 3)
        #expect(file.text(ofLine: 3) == "RUN a `" && file.text(ofLine: 5) == nil && file.text(ofLine: 0) == nil)
    }
}
