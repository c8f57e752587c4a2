import Foundation
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// The pictures of the documentation, of a real build: into the folder that LIAN_PICTURES names, by
    /// scripts/pictures-pages.
    @Suite(.needsToBeWanted, .needsChromium)
    struct ReportPictures {
        /// Two stages side by side, one of which needs more memory with each second.
        static let dockerfile = """
            FROM scratch AS tools
            COPY busybox /bin/busybox
            SHELL ["/bin/busybox", "sh", "-c"]
            RUN busybox mkdir -p /out && busybox sha256sum /bin/busybox > /out/tools.sum

            FROM tools AS assets
            COPY assets.txt /src/
            RUN busybox dd if=/dev/zero bs=1M count=300 2>/dev/null | busybox sha256sum > /out/assets

            FROM tools AS index
            COPY index.txt /src/
            RUN page=$(busybox head -c 24000000 /dev/zero | busybox tr '\\0' x); \\
                for n in $(busybox seq 20); do eval "page$n=\\$page"; \\
                echo "$page" | busybox sha1sum; busybox sleep 0.3; done > /out/index

            FROM scratch
            COPY --from=assets /out/assets /site/
            COPY --from=index /out/index /site/
            """

        static let files = [
            "assets.txt": String(repeating: "picture ", count: 90_000),
            "index.txt": String(repeating: "word ", count: 30_000),
        ]

        /// For the context of that Dockerfile, on a runner of so many GB.
        static func directives(_ scene: Scene, memory: Double) throws -> String {
            try scene.directives([
                "schema_version": "1", "workspace": "acme",
                "artifacts": [
                    ["name": "site", "context": "context", "image": .string("\(scene.registry.host)/acme/site:1")]
                ],
                "compute": [
                    "provider": "local",
                    "tiers": [
                        ["name": "small", "cpu": 2, "memory_gb": 0.5], ["name": "medium", "cpu": 2, "memory_gb": 1.5],
                    ],
                ],
                "registry": ["provider": "generic", "endpoint": .string(scene.registry.host)],
                "runner": ["cpu": 2, "memory_gb": .number(memory)],
            ])
        }

        @Test func report() async throws {
            let folder = try #require(Project.pictures)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try await withScene { scene in
                let context = try scene.context(Self.dockerfile, files: Self.files)
                // What the second build finds in the cache.
                let first = try await scene.build(["--directives", try Self.directives(scene, memory: 1.5)])
                try #require(first.status == 0, "\(first.story)")
                for name in ["assets", "index"] {
                    try "new words".write(toFile: "\(context)/\(name).txt", atomically: true, encoding: .utf8)
                }
                let page = scene.folder.appending(path: "report.html")
                let build = try await scene.build([
                    "--directives", try Self.directives(scene, memory: 0.5), "--report", page.path,
                ])
                try #require(build.status == 0, "\(build.story)")
                try await withBrowser { browser in
                    for (name, start, width, height, dark) in [
                        ("wide", "html", 1000, 1060, false), ("attempt", "#attempt-1", 1000, 1170, false),
                        ("narrow", "html", 360, 1500, true),
                    ] {
                        try await browser.show(page, width: width, dark: dark)
                        let picture = try await browser.picture(from: start, height: height)
                        try picture.write(to: folder.appending(path: "report-\(name).png"))
                    }
                }
            }
        }
    }
}
