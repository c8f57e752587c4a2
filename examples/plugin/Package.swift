// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-demo",
    products: [.library(name: "swift-demo", type: .dynamic, targets: ["Plugin"])],
    targets: [
        // What makes a library of Swift's a plugin. It needs Swift's standard library alone.
        .target(name: "CloacinaPlugin"),
        .target(
            name: "Plugin", dependencies: ["CloacinaPlugin"],
            linkerSettings: [
                // Other runtimes share the process: nothing is seen from outside but what the engine calls.
                .unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map", "-Xlinker", "-s"])
            ]),
    ]
)
