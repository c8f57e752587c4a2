import LianModel

/// What flags say of a Dockerfile's steps and of the image, added to what directives write.
extension RequestBuilder {
    mutating func steps(_ written: StepSettings = StepSettings()) throws -> StepSettings {
        var steps = written
        steps.pulls = written.pulls || options.pull
        for stage in options.noCacheFilters.flatMap(Self.words) {
            let stage = try checked(stage, .stage, "--no-cache-filter")
            if !steps.uncachedStages.contains(stage) { steps.uncachedStages.append(stage) }
        }
        for (host, address) in try addedHosts() {
            if let written = written.hosts[host], written != address { warnOverridden("--add-host \(host)") }
            steps.hosts[host] = written.hosts[host] ?? address
        }
        for text in options.ulimits {
            let ulimit = try checked(text, .ulimit, "--ulimit")
            let type = ulimit.prefix { $0 != "=" }
            if let written = written.ulimits.first(where: { $0.hasPrefix("\(type)=") }) {
                if written != ulimit { warnOverridden("--ulimit \(type)") }
            } else {
                steps.ulimits.append(ulimit)
            }
        }
        lost(options.sharedMemory, to: "shm_size", written: written.sharedMemory?.text)
        steps.sharedMemory = try written.sharedMemory ?? sharedMemory()
        lost(
            options.network.map { .init($0.rawValue, as: "--network") }, to: "network",
            written: written.network?.rawValue)
        steps.network = written.network ?? options.network
        for text in options.entitlements {
            let entitlement = try checked(text, .entitlement, "--allow")
            if !steps.entitlements.contains(entitlement) { steps.entitlements.append(entitlement) }
        }
        return steps
    }

    mutating func annotations(_ written: [String: String] = [:]) throws -> [String: String] {
        try merged(options.annotations, names: .annotationName, "--annotation", over: written)
    }

    mutating func compression(_ written: LayerCompression? = nil) throws -> LayerCompression? {
        lost(
            options.compression.map { .init($0.rawValue, as: "--compression") }, to: "compression",
            written: written?.kind.rawValue)
        lost(
            options.compressionLevel.map { .init("\($0)", as: "--compression-level") }, to: "compression_level",
            written: written?.level.map(String.init))
        guard let kind = written?.kind ?? options.compression else {
            guard options.compressionLevel == nil else {
                throw refusal(
                    "--compression-level needs the compression whose level it is",
                    hint: "An example is --compression zstd --compression-level 19.")
            }
            return nil
        }
        guard let compression = LayerCompression(kind, level: written?.level ?? options.compressionLevel) else {
            throw refusal(
                "--compression-level is at most \(LayerCompression.highestLevel(of: kind)) with \(kind.rawValue)",
                hint: "zstd has levels up to \(LayerCompression.highestLevel(of: .zstd)).")
        }
        return compression
    }

    /// `HOST:IP` or `HOST=IP`; an IPv6 address may stand in brackets.
    private func addedHosts() throws -> [String: String] {
        var hosts: [String: String] = [:]
        for text in options.addedHosts {
            guard let separator = text.unicodeScalars.firstIndex(where: { $0 == ":" || $0 == "=" }) else {
                throw refusal(
                    "--add-host must be HOST:IP, not '\(onOneLine(text, limit: 80))'",
                    hint: "An example is --add-host db.test:10.0.0.7.")
            }
            let host = try checked(String(text[..<separator]), .hostName, "--add-host")
            var address = text.unicodeScalars[separator...].dropFirst()
            if address.first == "[", address.last == "]" { address = address.dropFirst().dropLast() }
            guard String(address) != "host-gateway" else {
                throw LianError(
                    .engineUnsupported, .arguments, "--add-host \(host): a runner has no host-gateway",
                    hint: "Give an address that can be reached from the runner, like --add-host \(host):10.0.0.7.")
            }
            guard hosts.updateValue(try checked(String(address), .ipAddress, "--add-host \(host)"), forKey: host) == nil
            else {
                throw refusal("--add-host gives '\(host)' twice", hint: "Give each host one address.")
            }
        }
        return hosts
    }

    private func sharedMemory() throws -> MemorySize? {
        guard let given = options.sharedMemory else { return nil }
        return MemorySize(try checked(given, .memorySize))
    }

    private static func words(_ list: String) -> [String] {
        list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}
