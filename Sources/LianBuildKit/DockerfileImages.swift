import LianModel

/// The images that a build of a Dockerfile fetches, as far as the file and the build's arguments tell. What it cannot
/// know for sure it leaves out.
package struct DockerfileImages: Sendable {
    package struct Image: Hashable, Sendable {
        package var reference: String
        package var platform: Platform
    }

    package enum Platform: Hashable, Sendable {
        /// The platform of the artifact.
        case target
        /// The platform of the engine.
        case builder
        case named(String)
    }

    private struct Stage {
        var name: String?
        /// What the stage starts from; nil where that is nothing or not known.
        var base: Source?
        /// What the stage copies from or mounts.
        var copied: [Source] = []

        var sources: [Source] { [base].compactMap { $0 } + copied }
    }

    private enum Source {
        case stage(Int)
        case image(Image)
    }

    private let frontend: Image?
    private let contexts: [String: ExtraContext]
    private var scope: GlobalArguments
    private var stages: [Stage] = []

    package init(_ text: String, arguments: [String: String] = [:], contexts: [String: ExtraContext] = [:]) {
        let lines = DockerfileLines(text)
        frontend = (arguments["BUILDKIT_SYNTAX"] ?? lines.directive("syntax")).map {
            Image(reference: $0, platform: .builder)
        }
        self.contexts = contexts
        scope = GlobalArguments(given: arguments)
        for (text, _) in lines.instructions {
            let words = text.split(separator: " ").map(String.init)
            let rest = Array(words.dropFirst())
            switch words.first {
            case "ARG": if stages.isEmpty { scope.declare(rest) }
            case "FROM": begin(rest)
            case "COPY", "ADD", "RUN":
                if !stages.isEmpty { stages[stages.count - 1].copied += rest.compactMap(copied) }
            default: break
            }
        }
    }

    /// Whether the target, or else the last stage, copies from stages other than those that it starts from, so that
    /// their layers are not part of the image.
    package func copiesFromStages(for target: String?) -> Bool {
        var chain: Set<Int> = []
        var copied: Set<Int> = []
        var next = start(of: target)
        while let index = next, stages.indices.contains(index), chain.insert(index).inserted {
            for case .stage(let other) in stages[index].copied { copied.insert(other) }
            next = if case .stage(let base)? = stages[index].base { base } else { nil }
        }
        return !copied.isSubset(of: chain)
    }

    /// The images of all stages.
    package var all: [Image] {
        unique(stages.flatMap(\.sources))
    }

    /// The images of the stages that the target, or else the last stage, needs.
    package func needed(for target: String?) -> [Image] {
        var found: [Source] = []
        var seen: Set<Int> = []
        var open = [start(of: target)].compactMap { $0 }
        while let index = open.popLast() {
            guard stages.indices.contains(index), seen.insert(index).inserted else { continue }
            for source in stages[index].sources {
                if case .stage(let index) = source { open.append(index) } else { found.append(source) }
            }
        }
        return unique(found)
    }

    /// The stage named by the target, or else the last one.
    private func start(of target: String?) -> Int? {
        target.map { index(of: $0) ?? Int($0) } ?? stages.count - 1
    }

    private func unique(_ sources: [Source]) -> [Image] {
        let images = sources.compactMap { if case .image(let image) = $0 { image } else { nil } }
        var seen: Set<Image> = []
        return ([frontend].compactMap { $0 } + images).filter { seen.insert($0).inserted }
    }

    // MARK: - Reading

    /// FROM [--platform=P] BASE [AS NAME]
    private mutating func begin(_ words: [String]) {
        let flags = words.prefix { $0.hasPrefix("--") }
        let rest = words.dropFirst(flags.count)
        let hasName = rest.count == 3 && rest.dropFirst().first?.uppercased() == "AS"
        var stage = Stage(name: hasName ? rest.last?.lowercased() : nil)
        if let base = rest.first.flatMap(scope.expand), base != "scratch", let platform = platform(flags) {
            stage.base = source(base, platform)
        }
        stages.append(stage)
    }

    /// Nil where the platform cannot be known.
    private func platform(_ flags: some Sequence<String>) -> Platform? {
        guard let value = flags.lazy.compactMap({ value(of: "--platform=", in: $0) }).first else { return .target }
        switch value {
        case "$BUILDPLATFORM", "${BUILDPLATFORM}": return .builder
        case "$TARGETPLATFORM", "${TARGETPLATFORM}": return .target
        default: return scope.expand(value).map { .named($0) }
        }
    }

    /// COPY --from=SOURCE, RUN --mount=type=bind,from=SOURCE: a stage by its name or its number, a context or an image.
    private func copied(_ word: String) -> Source? {
        guard
            let name = value(of: "--from=", in: word)
                ?? value(of: "--mount=", in: word).flatMap({ options in
                    options.split(separator: ",").lazy.compactMap { value(of: "from=", in: String($0)) }.first
                }),
            !name.contains(where: { "$\\\"'".contains($0) }), name != "scratch"
        else { return nil }
        if let number = Int(name) { return stages.indices.contains(number) ? .stage(number) : nil }
        return source(name, .target)
    }

    /// A context with that name wins over a stage, a stage over an image.
    private func source(_ name: String, _ platform: Platform) -> Source? {
        switch contexts[name] ?? contexts[name.lowercased()] {
        case .image(let reference): .image(Image(reference: reference.description, platform: platform))
        case .place: nil
        case nil: index(of: name).map { .stage($0) } ?? .image(Image(reference: name, platform: platform))
        }
    }

    private func index(of stage: String) -> Int? {
        stages.lastIndex { $0.name == stage.lowercased() }
    }
}

/// The arguments before the first FROM: those alone may stand in a FROM.
private struct GlobalArguments {
    /// Values by name; nil where a value cannot be known.
    private var values: [String: String?] = [:]
    private let given: [String: String]

    init(given: [String: String]) {
        self.given = given
    }

    /// ARG NAME[=DEFAULT] …
    mutating func declare(_ words: [String]) {
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            values[parts[0]] = .some(given[parts[0]] ?? expand(parts.count > 1 ? unquoted(parts[1]) : ""))
        }
    }

    /// The text with `$NAME`, `${NAME}` and `${NAME:-OTHER}` replaced; nil where a value is not known or another form
    /// is used.
    func expand(_ text: String) -> String? {
        guard !text.contains(where: { "\\\"'".contains($0) }) else { return nil }
        var expanded = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            expanded += rest[..<dollar]
            rest = rest[dollar...].dropFirst()
            var name = rest.prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) }
            var other: Substring = ""
            if rest.first == "{" {
                guard let close = rest.firstIndex(of: "}") else { return nil }
                let inside = rest[..<close].dropFirst()
                rest = rest[close...].dropFirst()
                name = inside.prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) }
                let operation = inside.dropFirst(name.count)
                guard operation.isEmpty || operation.hasPrefix(":-") && !operation.contains("$") else { return nil }
                other = operation.dropFirst(2)
            } else {
                rest = rest.dropFirst(name.count)
            }
            guard let declared = values[String(name)], let value = declared else { return nil }
            expanded += value.isEmpty ? String(other) : value
        }
        return expanded + rest
    }

    private func unquoted(_ text: String) -> String {
        guard text.count > 1, let quote = text.first, quote == text.last, "\"'".contains(quote) else { return text }
        return String(text.dropFirst().dropLast())
    }
}

private func value(of flag: String, in word: String) -> String? {
    word.hasPrefix(flag) ? String(word.dropFirst(flag.count)) : nil
}

/// The registry that Docker would ask for an image: the first segment where it looks like a host, else Docker Hub.
package func registryHost(ofImage reference: String) -> String {
    let segments = reference.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard segments.count == 2, let host = segments.first else { return "docker.io" }
    return host.contains(".") || host.contains(":") || host == "localhost" ? String(host) : "docker.io"
}
