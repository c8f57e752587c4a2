import LianModel
import LianSystem

/// Where volumes may be, and how their storage is found there.
struct VolumeSources: Sendable {
    let options: Options
    let environment: [String: String]
    let state: String
    let providers: Providers
    let log: EventLog

    /// By places.
    var finders: [Place: Volumes.Finder] {
        var finders = elsewhere
        if providers.all.contains(where: { providers.place(of: $0) == .machine }) {
            finders[.machine] = { try ofTheEnginesHere() }
        }
        return finders
    }

    /// Of this machine also where no runner could be made.
    var findersForSweep: [Place: Volumes.Finder] {
        var finders = elsewhere
        if fileKind("\(state)/volumes") != nil { finders[.machine] = { try ofThisMachine() } }
        return finders
    }

    private var elsewhere: [Place: Volumes.Finder] {
        guard options.volumes != .none else { return [:] }
        var finders: [Place: Volumes.Finder] = [:]
        for provider in providers.all where providers.place(of: provider) != .machine {
            finders[.elsewhere(provider.name)] = { try found(at: provider) }
        }
        return finders
    }

    private func found(at provider: ServedProvider) throws -> FoundVolumes? {
        let found = try provider.opened(within: .zero).findVolumes(options.volumes)
        tell(found, found?.reason ?? "none: runners of '\(provider.name)' have none", of: provider.name)
        return found
    }

    private func ofTheEnginesHere() throws -> FoundVolumes? {
        let here = providers.all.filter { providers.place(of: $0) == .machine }
        let engines = here.compactMap(\.current)
        guard engines.contains(where: { $0.engineKind != nil }) else {
            guard engines.count == here.count else { throw ProviderError("an engine of this machine is not there yet") }
            let names = engines.map { "'\($0.engine)'" }.joined(separator: ", ")
            tell(nil, "none: the engine \(names) keeps no data for single runners")
            return nil
        }
        return try ofThisMachine()
    }

    private func ofThisMachine() throws -> FoundVolumes? {
        let path = LocalProvider.searchPath(environment["PATH"])
        let fileBytes = options.volumesFileGB.map { $0 << 30 }
        guard let found = try options.volumes.find(state: state, path: path, fileBytes: fileBytes, log: log) else {
            if options.volumes == .none { tell(nil, "none, as --volumes says") }
            return nil
        }
        tell(found, found.reason)
        if let problem = Overlay.problem(in: "\(state)/volumes") {
            log.warning("volumes", "none: engines cannot lay layers over each other below \(state)/volumes: \(problem)")
            return nil
        }
        return found
    }

    private func tell(_ found: FoundVolumes?, _ words: String, of provider: String? = nil) {
        var fields: [String: JSONValue] = [:]
        fields["volumes"] = found.map { .string($0.storage.support.rawValue) }
        fields["provider"] = provider.map(JSONValue.string)
        log.info("volumes", words, fields)
    }
}

extension VolumeSources {
    /// Opens the volumes of all places that are there. False where those of another machine cannot be had yet.
    func open(_ volumes: Volumes, living: () -> Set<String>) throws -> Bool {
        var isComplete = true
        for place in [.machine] + providers.places.filter({ $0 != .machine }) where volumes.awaits(place) {
            guard providers.isThere(place) || options.action == .sweep else { continue }
            do {
                try volumes.open(place, living: living)
            } catch {
                if place == .machine { throw error }
                log.error("volumes_not_found", "volumes are tried again: \(error)", place.fields)
                isComplete = false
            }
        }
        return isComplete
    }
}
