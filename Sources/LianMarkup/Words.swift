import LianModel

/// How pages call the values of a build.

extension Sizing {
    package var name: String { tier ?? "beyond the tiers" }

    package var measure: String {
        "\(Figures.count(size.cpu, "core")), \(Figures.decimal(size.memoryGB)) GB"
    }
}

extension Phase {
    package var title: String {
        switch self {
        case .arguments: "Arguments"
        case .resolve: "Resolve"
        case .spawn: "Spawn"
        case .connect: "Connect"
        case .sync: "Send the context"
        case .build: "Build"
        case .push: "Push"
        case .teardown: "Tear down"
        case .report: "Report"
        }
    }
}

extension AttemptOutcome {
    package var word: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .oom: "out of memory"
        case .timedOut: "out of time"
        case .cancelled: "cancelled"
        }
    }
}
