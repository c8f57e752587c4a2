import LianModel

/// One step of a build, with the number and the name that the engine gives it.
package struct BuildStep: Equatable, Sendable {
    package enum State: String, Sendable {
        case running, done, cached, failed, cancelled
    }

    /// The number that plain progress shows: `#5`.
    package var number: Int
    package var name: String
    package var state: State = .running
    package var seconds: Double?
    package var milliseconds: Int? { seconds.map { Int(Figures.bounded($0 * 1000)) } }

    /// Whether it is a step of the Dockerfile, `[stage 2/5] RUN …`. The engine's own steps have no such count.
    package var isOfDockerfile: Bool {
        guard name.hasPrefix("["), let close = name.firstIndex(of: "]"),
            let count = name[..<close].dropFirst().split(separator: " ").last
        else { return false }
        let numbers = count.split(separator: "/", omittingEmptySubsequences: false)
        return numbers.count == 2 && numbers.allSatisfy { OutsideNumber.whole($0) != nil }
    }

    /// Whether it fetches the image that a stage starts from, `[stage 1/5] FROM …`.
    var isOfImage: Bool {
        guard isOfDockerfile, let close = name.firstIndex(of: "]") else { return false }
        return name[name.index(after: close)...].hasPrefix(" FROM ")
    }

    /// Whether it reads the cache from a registry; the build goes on without it.
    var isOfCacheImport: Bool { name.hasPrefix("importing cache manifest from ") }

    /// Whether it is a step of the cache, which may fail while the build goes on.
    package var isOfCache: Bool { isOfCacheImport || isOfCacheExport }

    /// Whether it writes the cache. The step's name differs between versions of BuildKit.
    var isOfCacheExport: Bool { name.hasPrefix("exporting content cache") || name.hasPrefix("exporting cache") }

    /// Whether it makes the image out of its layers. Docker and BuildKit begin its name alike.
    package static func isExport(_ name: String) -> Bool { name.hasPrefix("exporting to ") }

    package init(number: Int, name: String) {
        self.number = number
        self.name = name
    }
}

/// What a piece of the log brought.
package struct StepChanges: Equatable, Sendable {
    /// The steps that began or ended, in their present state and in the order in which they began.
    package var steps: [BuildStep] = []
    package var output: [Output] = []

    /// The last lines of a running step.
    package struct Output: Equatable, Sendable {
        package var step: Int
        package var lines: [String]
    }
}

/// Which step failed, and what is known of it.
package struct BuildFailure: Equatable, Sendable {
    /// Nil where no step failed: the Dockerfile could not be read, or the engine went away.
    package var step: String?
    /// The last lines that the step printed.
    package var lastLines: [String] = []
    package var message: String?
    /// The line of the Dockerfile.
    package var line: Int?
}
