import LianModel

/// One step of a build, as the engine numbers and names them.
package struct BuildStep: Equatable, Sendable {
    package enum State: String, Sendable {
        case running, done, cached, failed, cancelled
    }

    /// As plain progress shows it: `#5`.
    package var number: Int
    package var name: String
    package var state: State = .running
    package var seconds: Double?
    package var milliseconds: Int? { seconds.map { Int(Figures.bounded($0 * 1000)) } }

    /// A step of the Dockerfile, `[stage 2/5] RUN …`; what the engine does around them carries no such count.
    package var isOfDockerfile: Bool {
        guard name.hasPrefix("["), let close = name.firstIndex(of: "]"),
            let count = name[..<close].dropFirst().split(separator: " ").last
        else { return false }
        let numbers = count.split(separator: "/", omittingEmptySubsequences: false)
        return numbers.count == 2 && numbers.allSatisfy { OutsideNumber.whole($0) != nil }
    }

    /// Fetching the image that a stage starts from, `[stage 1/5] FROM …`.
    var isOfImage: Bool {
        guard isOfDockerfile, let close = name.firstIndex(of: "]") else { return false }
        return name[name.index(after: close)...].hasPrefix(" FROM ")
    }

    /// Reading the cache beside the image: a build goes on without it.
    var isOfCacheImport: Bool { name.hasPrefix("importing cache manifest from ") }

    /// It may fail and the build go on.
    package var isOfCache: Bool { isOfCacheImport || isOfCacheExport }

    /// Writing it, as one BuildKit or another calls that.
    var isOfCacheExport: Bool { name.hasPrefix("exporting content cache") || name.hasPrefix("exporting cache") }

    package init(number: Int, name: String) {
        self.number = number
        self.name = name
    }
}

/// What a piece of the log brought.
package struct StepChanges: Equatable, Sendable {
    /// Those that began or ended, as they are now, in the order in which they began.
    package var steps: [BuildStep] = []
    package var output: [Output] = []

    /// The last lines of a step that runs.
    package struct Output: Equatable, Sendable {
        package var step: Int
        package var lines: [String]
    }
}

/// Which step failed, and what is known of it.
package struct BuildFailure: Equatable, Sendable {
    /// Nil where no step failed: the Dockerfile could not be read, the engine was gone.
    package var step: String?
    /// The last lines that the step printed.
    package var lastLines: [String] = []
    package var message: String?
    /// Where in the Dockerfile.
    package var line: Int?
}
