import LianModel
import Testing

@testable import LianBuildKit

/// Which images a Dockerfile's build fetches.
@Suite struct DockerfileImageTests {
    private func needed(
        _ dockerfile: String, target: String? = nil, arguments: [String: String] = [:],
        contexts: [String: ExtraContext] = [:]
    ) -> [String] {
        DockerfileImages(dockerfile, arguments: arguments, contexts: contexts).needed(for: target).map(\.reference)
    }

    @Test func allStages() {
        let dockerfile = """
            # syntax=docker/dockerfile:1
            ARG BASE=alpine
            FROM golang:1.22 AS build
            RUN echo FROM nowhere
            from --platform=$BUILDPLATFORM reg.example/team/base:2 as Base
            FROM build
            FROM base
            FROM ${BASE}
            FROM $UNKNOWN
            FROM scratch
            FROM \\
              # a comment inside a continued line
              localhost:5000/x \\
              AS last
            """
        #expect(
            DockerfileImages(dockerfile).all == [
                .init(reference: "docker/dockerfile:1", platform: .builder),
                .init(reference: "golang:1.22", platform: .target),
                .init(reference: "reg.example/team/base:2", platform: .builder),
                .init(reference: "alpine", platform: .target), .init(reference: "localhost:5000/x", platform: .target),
            ])
    }

    @Test func thoseOfTheTarget() {
        let dockerfile = """
            FROM a AS one
            FROM b AS two
            COPY --from=tool:1 /t /t
            FROM c
            COPY --chown=1:1 --from=ONE /x /x
            FROM d AS four
            RUN --mount=type=cache,target=/c --mount=type=bind,from=two,target=/m make
            ADD --from=0 /y /y
            FROM e
            COPY --from=2 /z /z
            COPY --from=$ANY /z /z
            """
        #expect(needed(dockerfile) == ["e", "c", "a"])
        #expect(Set(needed(dockerfile, target: "Four")) == ["d", "a", "b", "tool:1"])
        #expect(needed(dockerfile, target: "1") == ["b", "tool:1"])
        #expect(needed(dockerfile, target: "none") == [])
    }

    @Test func nothing() {
        #expect(needed("") == [] && needed("COPY . /\n") == [])
        #expect(needed("FROM scratch\nCOPY . /\n") == [])
        #expect(needed("FROM scratch AS a\nFROM a\nCOPY --from=a / /\n") == [])
    }

    @Test(arguments: [
        ("ARG V=1\nFROM a:$V", "a:1"), ("ARG V=1\nFROM a:${V}-x", "a:1-x"), ("ARG V\nFROM a${V}", "a"),
        ("ARG V=\"1\"\nFROM a:$V", "a:1"), ("ARG V='1'\nFROM a:$V", "a:1"), ("ARG A=x B=$A/y\nFROM $B", "x/y"),
        ("ARG G=0\nFROM a:${G}", "a:given"), ("ARG G\nFROM a:${G:-2}", "a:given"), ("ARG V\nFROM a:${V:-2}", "a:2"),
        ("ARG V=1\nFROM a:${V:-2}", "a:1"),
    ])
    func arguments(dockerfile: String, image: String) {
        #expect(needed(dockerfile, arguments: ["G": "given", "N": "not declared"]) == [image])
    }

    /// What only the engine knows, and what is not understood, is left to the build.
    @Test(arguments: [
        "FROM a:$N", "FROM a-$TARGETARCH", "ARG V=1\nFROM a:${V:+2}", "ARG V=1\nFROM a:${V%x}", "FROM a:${V",
        "FROM \"a\"", "ARG V=\"1 2\"\nFROM a:$V", "ARG V=$TARGETARCH\nFROM a:$V", "FROM a:\\$V",
        "FROM --platform=$N a", "FROM scratch\nARG V=1\nFROM a:$V",
    ])
    func unknown(dockerfile: String) {
        #expect(needed(dockerfile, arguments: ["N": "not declared"]) == [])
    }

    @Test func heredocsAreNoInstructions() {
        let dockerfile = """
            FROM a
            RUN <<EOF cat <<-"stop" 3<<x
            FROM b
            EOF
            COPY --from=c /d /d
            stop
            FROM e
            x
            RUN cat <<<word
            COPY --from=f <<end /g
            FROM h
            # a line of it, which does not go on: \\
            end
            COPY --from=i /j /j
            RUN <<last
            Last
             last
            FROM k
            last
            COPY --from=l /m /m
            """
        #expect(needed(dockerfile) == ["a", "f", "i", "l"])
    }

    /// Where the cache is that of the image's own layers, those of a stage that is copied from are lost.
    @Test(
        arguments: [
            ("FROM x", nil, false), ("FROM x AS y", nil, false), ("ARG V=1\nFROM x:$V\nRUN make", nil, false),
            ("# FROM a AS b\nFROM x\n# COPY --from=0 / /\nCOPY a /a", nil, false),
            ("FROM x AS y\nFROM y\nRUN make", nil, false),
            ("FROM x AS y\nFROM y AS z\nCOPY --from=y /a /b", nil, false),
            ("FROM x\nRUN <<EOF\nFROM y\nCOPY --from=0 / /\nEOF\nCOPY a /a", nil, false),
            ("FROM x\nCOPY --from=reg.example/tool:1 /t /t", nil, false),
            ("FROM x AS y\nRUN make\nFROM z", nil, false), ("FROM x AS y\nFROM z\nCOPY --from=y /a /b", "y", false),
            ("FROM x AS y\nFROM z\nCOPY --from=y /a /b", nil, true), ("FROM x\nFROM z\nCOPY --from=0 /a /b", nil, true),
            ("FROM x AS y\nFROM z\nRUN --mount=from=y,target=/y make", nil, true),
            ("FROM x AS y\nFROM z AS v\nADD --from=y /a /b\nFROM v", nil, true),
            ("FROM x AS y\nFROM z AS v\nADD --from=y /a /b\nFROM v", "V", true), ("", nil, false),
            ("FROM x", "y", false),
        ] as [(String, String?, Bool)])
    func copiesFromStages(dockerfile: String, target: String?, isSo: Bool) {
        #expect(DockerfileImages(dockerfile).copiesFromStages(for: target) == isSo)
    }

    @Test func platforms() {
        let dockerfile = """
            ARG P=linux/arm64
            FROM --platform=${BUILDPLATFORM} a AS one
            FROM --platform=$P b AS two
            FROM --platform=linux/386 c AS three
            FROM --platform=$TARGETPLATFORM d
            """
        let platforms = DockerfileImages(dockerfile).all.map(\.platform)
        #expect(platforms == [.builder, .named("linux/arm64"), .named("linux/386"), .target])
    }

    /// A context takes the place of what has its name.
    @Test func contexts() throws {
        let dockerfile = "FROM base\nCOPY --from=more / /\nCOPY --from=tool / /\nFROM x AS more\n"
        let image = try #require(ImageReference("reg.example/b:2"))
        #expect(
            needed(dockerfile, target: "0", contexts: ["base": .image(image), "more": .place(.folder("/folder"))])
                == ["reg.example/b:2", "tool"])
    }

    @Test func aFrontendByArgument() {
        #expect(needed("# syntax=a\nFROM scratch", arguments: ["BUILDKIT_SYNTAX": "b"]) == ["b"])
        #expect(needed("# escape=`\n# syntax = a/b:1\nFROM scratch") == ["a/b:1"])
    }

    @Test(arguments: [
        ("busybox", "docker.io"), ("library/busybox", "docker.io"), ("reg.example/a", "reg.example"),
        ("localhost/a", "localhost"), ("host:5000/a", "host:5000"), ("busybox:1.2", "docker.io"),
    ])
    func hosts(reference: String, host: String) {
        #expect(registryHost(ofImage: reference) == host)
    }
}
