// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// A C library of the system's, found by pkg-config.
func system(_ name: String, pkgConfig: String, debianPackage: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([debianPackage])])
}

/// `embedded` are files that the module carries as they are, each as bytes in `PackageResources`.
func module(_ name: String, _ dependencies: [Target.Dependency], embedded: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: embedded.map { .embedInCode($0) },
        swiftSettings: swiftSettings)
}

func executable(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["LianTestSupport"], swiftSettings: swiftSettings)
}

/// The files that `lian-cloacina plugin new` writes, where a link in the module's folder leads to them.
let examplePlugin =
    ["Package.swift", "README.md", "exports.map", "Sources/Plugin/Plugin.swift"].map { "Plugin/Example/\($0)" }
    + [
        "CloacinaPackage", "ContextReader", "ContextWriter", "PackageContext", "PackageTask", "PackageTrigger",
        "PluginInterface", "PluginMethod", "PluginRegistry", "Wire",
    ].map { "Plugin/Example/Sources/CloacinaPlugin/\($0).swift" }

let package = Package(
    name: "lian-build",
    products: [
        .executable(name: "lian-build", targets: ["lian-build"]),
        .executable(name: "lian-rsh", targets: ["lian-rsh"]),
        .executable(name: "lian-orchestrator", targets: ["lian-orchestrator"]),
        .executable(name: "lian-cloacina", targets: ["lian-cloacina"]),
        .library(name: "CloacinaPlugin", targets: ["CloacinaPlugin"]),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        system("CCrypto", pkgConfig: "libcrypto", debianPackage: "libssl-dev"),
        system("CNATS", pkgConfig: "libnats", debianPackage: "libnats-dev"),
        system("CCurl", pkgConfig: "libcurl", debianPackage: "libcurl4-openssl-dev"),
        system("CSSH2", pkgConfig: "libssh2", debianPackage: "libssh2-1-dev"),
        system("CMicrohttpd", pkgConfig: "libmicrohttpd", debianPackage: "libmicrohttpd-dev"),
        system("CSQLite", pkgConfig: "sqlite3", debianPackage: "libsqlite3-dev"),
        system("CZlib", pkgConfig: "zlib", debianPackage: "zlib1g-dev"),
        // libbz2-dev of Debian 12 has no pkg-config file: the module map says what to link.
        .systemLibrary(name: "CBzip2", providers: [.apt(["libbz2-dev"])]),
        // Debian's libre2-dev, as C: RE2 itself is C++. Its pkg-config file holds a flag that SwiftPM warns of.
        .target(name: "CExpression", linkerSettings: [.linkedLibrary("re2")]),

        module("LianModel", []),
        module("LianBuildKit", ["LianModel"]),
        module("LianFlags", ["LianModel"]),
        module("LianSystem", ["CLinux"]),
        module("LianChannel", []),
        module("LianNATS", ["CCrypto", "CNATS", "LianModel", "LianSystem"]),
        module("LianHTTP", ["CCrypto", "CCurl", "LianModel", "LianSystem"]),
        module("LianConfiguration", ["LianHTTP", "LianModel", "LianSystem"]),
        module("LianOrchestratorClient", ["LianHTTP", "LianModel", "LianSystem"]),
        module("LianRegistry", ["CCrypto", "LianHTTP", "LianModel", "LianSystem"]),
        module("LianSSH", ["CCrypto", "CLinux", "CSSH2", "LianChannel", "LianModel", "LianSystem"]),
        module("LianContext", ["CExpression", "CLinux", "LianModel", "LianSystem"]),
        module("LianRemote", ["LianChannel", "LianModel", "LianSystem"], embedded: ["AgentRelay.pl", "Wrapper.sh"]),
        module(
            "LianBuild",
            [
                "CLinux", "LianBuildKit", "LianChannel", "LianConfiguration", "LianContext", "LianHTTP", "LianModel",
                "LianNATS",
                "LianOrchestratorClient", "LianRegistry", "LianRemote", "LianSSH", "LianSystem",
            ]),
        module("LianMarkup", ["LianModel"], embedded: ["common.css"]),
        module("LianReport", ["LianBuildKit", "LianMarkup", "LianModel"], embedded: ["Page/page.css"]),
        module("LianTrace", ["LianBuildKit", "LianHTTP", "LianModel", "LianReport", "LianSystem"]),
        module(
            "LianOrchestrator",
            [
                "CCrypto", "CLinux", "CMicrohttpd", "CSQLite", "LianConfiguration", "LianFlags", "LianHTTP",
                "LianMarkup",
                "LianModel", "LianNATS",
                "LianRemote", "LianSSH", "LianSystem",
            ],
            embedded: [
                "Boot/Boot.sh", "Boot/Stop.sh", "Engines/Buildctl.sh", "Page/page.css", "Page/page.js",
                "Page/page.svg",
            ]),
        module(
            "LianCLI",
            [
                "LianBuild", "LianBuildKit", "LianConfiguration", "LianFlags", "LianIntegrate", "LianModel", "LianNATS",
                "LianReport", "LianSystem", "LianTrace",
            ]),
        module(
            "LianIntegrate", ["CCrypto", "LianHTTP", "LianModel", "LianNATS", "LianOrchestratorClient", "LianSystem"]),

        // Goes into other people's libraries: Swift's standard library alone.
        module("CloacinaPlugin", []),
        module(
            "LianCloacina",
            ["CBzip2", "CCrypto", "CZlib", "CloacinaPlugin", "LianHTTP", "LianModel", "LianSystem"],
            embedded: ["Python/discover.py"] + examplePlugin),
        module("LianCloacinaCLI", ["LianCloacina", "LianFlags", "LianModel", "LianSystem"]),

        executable("lian-build", ["LianCLI", "LianSystem"]),
        executable("lian-rsh", ["CLinux", "LianSystem"]),
        executable("lian-orchestrator", ["LianOrchestrator", "LianSystem"]),
        executable("lian-cloacina", ["LianCloacina", "LianCloacinaCLI", "LianSystem"]),
        // Not installed: writes the man pages of the others.
        executable(
            "lian-manpages",
            ["LianCLI", "LianCloacinaCLI", "LianFlags", "LianModel", "LianOrchestrator", "LianSystem"]),
        // Not installed either: the benchmark connects by it as a build does.
        executable("bench-connect", ["LianChannel", "LianModel", "LianSSH", "LianSystem"]),

        .target(name: "CTestProcess", dependencies: ["CCrypto"], path: "Tests/CTestProcess"),
        .target(
            name: "LianTestSupport",
            dependencies: [
                "CTestProcess", "LianBuildKit", "LianChannel", "LianContext", "LianHTTP", "LianIntegrate", "LianModel",
                "LianSystem",
            ],
            path: "Tests/LianTestSupport", swiftSettings: swiftSettings),
        tests("CloacinaPluginTests", ["CloacinaPlugin", "LianModel", "LianSystem"]),
        tests("LianModelTests", ["LianModel"]),
        tests("LianBuildKitTests", ["LianBuildKit", "LianModel"]),
        tests("LianSystemTests", ["LianSystem", "LianModel"]),
        tests(
            "LianBuildTests",
            [
                "LianBuild", "LianChannel", "LianCLI", "LianConfiguration", "LianContext", "LianFlags", "LianHTTP",
                "LianModel", "LianNATS",
                "LianOrchestratorClient", "LianRegistry", "LianRemote", "LianSystem", "lian-rsh",
            ]),
        tests(
            "LianCLITests",
            [
                "LianCLI", "LianBuild", "LianBuildKit", "LianFlags", "LianModel", "LianReport", "LianSystem",
                "lian-build",
            ]),
        tests(
            "FuzzTests",
            [
                "LianBuild", "LianBuildKit", "LianCLI", "LianCloacina", "LianFlags", "LianHTTP", "LianModel",
                "LianRegistry", "LianRemote", "LianReport", "LianSystem",
            ]),
        tests(
            "LianFlagsTests",
            ["LianCLI", "LianCloacinaCLI", "LianFlags", "LianModel", "LianOrchestrator", "LianSystem"]
                + ["lian-build", "lian-cloacina", "lian-manpages", "lian-orchestrator"]),
        tests("LianContextTests", ["LianContext", "LianModel", "LianSystem"]),
        tests("LianNATSTests", ["LianNATS", "LianModel", "LianSystem"]),
        tests("LianHTTPTests", ["LianHTTP", "LianModel", "LianSystem"]),
        tests("LianRegistryTests", ["LianHTTP", "LianModel", "LianRegistry", "LianSystem"]),
        tests("LianOrchestratorClientTests", ["LianHTTP", "LianModel", "LianOrchestratorClient", "LianSystem"]),
        tests(
            "LianOrchestratorTests",
            [
                "LianFlags", "LianHTTP", "LianMarkup", "LianOrchestrator", "LianModel", "LianSystem",
                "lian-orchestrator",
            ]),
        tests("LianReportTests", ["LianReport", "LianBuildKit", "LianMarkup", "LianModel", "LianSystem"]),
        tests("LianTraceTests", ["LianTrace", "LianBuildKit", "LianModel", "LianReport", "LianSystem"]),
        tests("LianRemoteTests", ["LianChannel", "LianRemote", "LianModel", "LianSSH", "LianSystem"]),
        tests(
            "LianSSHTests",
            ["CSSH2", "LianBuild", "LianChannel", "LianSSH", "LianSystem", "LianModel", "lian-rsh"]),
        tests("LianIntegrateTests", ["LianIntegrate", "LianModel", "LianNATS", "LianSystem"]),
        tests("LianCloacinaTests", ["LianCloacina", "LianModel", "LianSystem"]),
        tests(
            "CloacinaTests",
            ["LianCloacina", "LianCloacinaCLI", "LianFlags", "LianModel", "LianSystem", "lian-cloacina"]),
        tests(
            "ClusterTests",
            ["LianHTTP", "LianOrchestrator", "LianModel", "LianSystem", "lian-build", "lian-orchestrator", "lian-rsh"]),
        tests("LianVolumeTests", ["LianOrchestrator", "LianModel", "LianSystem"]),
        tests("PeerTests", ["LianBuild", "LianConfiguration", "LianContext", "LianModel", "LianSystem", "lian-rsh"]),
        tests("LintTests", ["LianModel", "LianSystem"]),
        tests("FaultTests", ["LianModel", "LianSystem", "lian-build", "lian-orchestrator", "lian-rsh"]),
        tests(
            "DocumentationTests",
            ["LianModel", "LianSystem", "lian-build", "lian-cloacina", "lian-orchestrator", "lian-rsh"]),
        tests("SoakTests", ["LianModel", "LianSystem", "lian-build", "lian-orchestrator", "lian-rsh"]),
        tests(
            "EndToEndTests",
            ["LianModel", "LianSystem", "lian-build", "lian-cloacina", "lian-orchestrator", "lian-rsh"]),
    ]
)
