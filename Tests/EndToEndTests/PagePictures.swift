import Foundation
import Glibc
import LianModel
import LianTestSupport
import Testing

extension EndToEnd {
    /// The pictures of the orchestrator's page, after real builds and during one: into the folder that LIAN_PICTURES
    /// names, by scripts/pictures-pages.
    @Suite(.needsToBeWanted, .needsChromium)
    struct PagePictures {
        private static let memory = "dd if=/dev/zero bs=60M count=1 2>/dev/null | sha256sum > /sum"

        @Test func page() async throws {
            let folder = try #require(Project.pictures)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try await withScene { scene in
                func build(_ workspace: String, _ name: String, _ step: String) throws -> RunningBuild {
                    let context = try scene.context(
                        Scene.shell + "RUN busybox sh -c '\(Self.memory)'\nRUN \(step)\n",
                        named: "\(name)-\(UUID().uuidString)")
                    return try scene.start([
                        "--workspace", workspace, "--context", context, "--image",
                        "\(scene.registry.host)/\(workspace)/\(name):1",
                    ])
                }
                for (workspace, name, step, count) in [
                    ("shop", "api", "busybox sleep 1", 3), ("shop", "web", "busybox sleep 2", 2),
                    ("shop", "web", "busybox false", 1), ("acme", "docs", "busybox sleep 1", 3),
                ] {
                    for number in 1...count {
                        _ = try await build(workspace, name, "\(step) # \(number)").finished()
                    }
                }
                _ = try scene.context(ReportPictures.dockerfile, files: ReportPictures.files)
                let retried = try await scene.build([
                    "--directives", try ReportPictures.directives(scene, memory: 0.5),
                ])
                try #require(retried.status == 0, "\(retried.story)")

                let running = try build("acme", "docs", "busybox sleep 600")
                try await withBrowser { browser in
                    for (name, path, words, width, height, dark) in [
                        ("wide", "/", "ready", 1000, 2200, false), ("narrow", "/", "ready", 360, 1500, true),
                        (
                            "build", "/build?workspace=acme&id=\(retried["build_id"].stringValue ?? "")", "Attempt 2",
                            1000, 1300, false
                        ),
                    ] {
                        let address = try #require(URL(string: scene.orchestrator.url + path))
                        try await browser.show(address, width: width, dark: dark)
                        if name == "wide" {
                            try await browser.type(scene.orchestrator.token)
                            try await browser.press(.enter)
                        }
                        let isThere = try await eventually {
                            try await browser.evaluate("document.body?.innerText.includes('\(words)')") == true
                        }
                        try #require(isThere)
                        let picture = try await browser.picture(height: height)
                        try picture.write(to: folder.appending(path: "page-\(name).png"))
                    }
                }
                running.signal(SIGINT)
                _ = try await running.finished()
            }
        }
    }
}
