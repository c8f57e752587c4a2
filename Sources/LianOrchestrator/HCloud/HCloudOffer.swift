import LianModel

/// What the configuration asks of the cloud, as the cloud has it.
struct HCloudOffer: Sendable {
    struct ServerType: Equatable, Sendable {
        let name: String
        let cpu: Int
        let memoryMB: Int
        let architecture: String
        let locations: [String]

        /// More than any server has, and little enough to calculate with.
        private static let largestMemoryGB = 1e9

        init?(_ json: JSONValue) {
            guard let name = json["name"]?.stringValue, let cpu = json["cores"]?.amountValue,
                let memoryGB = json["memory"]?.doubleValue, (0...Self.largestMemoryGB).contains(memoryGB),
                let architecture = json["architecture"]?.stringValue
            else { return nil }
            self.name = name
            self.cpu = cpu
            self.memoryMB = Int(memoryGB * 1024)
            self.architecture = architecture
            locations = (json["locations"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        }
    }

    /// One way to make a machine.
    struct Place: Equatable, Sendable, CustomStringConvertible {
        let type: String
        let location: String

        var description: String { "\(type) in \(location)" }
    }

    let tiers: [String: [ServerType]]
    let locations: [String]
    let architecture: String
    let networks: [Int]
    let firewalls: [Int]
    let placementGroup: Int?

    var platform: String { architecture == "arm" ? "linux/arm64" : "linux/amd64" }

    /// The types of the tier, in order; where the table does not know the tier, the smallest that is large enough.
    func types(for size: WireSize) -> [ServerType] {
        if let tier = size.tier, let types = tiers[tier] { return types }
        let all = tiers.values.joined().sorted { ($0.memoryMB, $0.cpu, $0.name) < ($1.memoryMB, $1.cpu, $1.name) }
        return all.first { $0.cpu >= size.cpu && $0.memoryMB >= size.memoryMB }.map { [$0] } ?? []
    }

    /// Each type in each location before the next type.
    func places(for request: SpawnRequest) -> [Place] {
        let locations = request.region.map { [$0] } ?? locations
        return types(for: request.size).flatMap { type in
            locations.filter(type.locations.contains).map { Place(type: type.name, location: $0) }
        }
    }
}

// MARK: - Asking for it

extension HCloudOffer {
    /// Throws what the cloud lacks, with what to do.
    static func find(_ config: HCloudConfig, by api: HCloudAPI) throws(HCloudFailure) -> HCloudOffer {
        let tiers = try tiers(config.types, of: try api.list("server_types").compactMap(ServerType.init))
        let locations = try api.list("locations").compactMap { $0["name"]?.stringValue }
        for location in config.locations where !locations.contains(location) {
            throw lacking("the cloud has no location '\(location)': it has \(told(locations))")
        }
        let types = tiers.values.joined().sorted { $0.name < $1.name }
        for type in types where !config.locations.contains(where: type.locations.contains) {
            throw lacking(
                "the server type '\(type.name)' is in none of 'locations': the cloud has it in \(told(type.locations))")
        }
        let architecture = types.first?.architecture ?? ""
        if let other = types.first(where: { $0.architecture != architecture }) {
            throw lacking(
                "'types' are of two architectures, as '\(types[0].name)' and '\(other.name)': give each a provider of "
                    + "its own")
        }
        for image in [config.image, config.furtherImage].compactMap(\.self) {
            try requireImage(image, for: architecture, by: api)
        }
        return HCloudOffer(
            tiers: tiers, locations: config.locations, architecture: architecture,
            networks: try ids(of: config.networks, in: "networks", "network", by: api),
            firewalls: try ids(of: config.firewalls, in: "firewalls", "firewall", by: api),
            placementGroup: try ids(
                of: config.placementGroup.map { [$0] } ?? [], in: "placement_groups", "placement group", by: api
            ).first)
    }

    private static func tiers(
        _ names: [String: [String]], of known: [ServerType]
    ) throws(HCloudFailure) -> [String: [ServerType]] {
        for name in names.values.joined() where !known.contains(where: { $0.name == name }) {
            throw lacking(
                "the cloud has no server type '\(name)': put into 'types' what it has now, as \(told(known.map(\.name)))"
            )
        }
        return names.mapValues { names in names.compactMap { name in known.first { $0.name == name } } }
    }

    private static func requireImage(
        _ image: String, for architecture: String, by api: HCloudAPI
    ) throws(HCloudFailure) {
        let found =
            if let number = Int(image) {
                try api.find("image", at: "/images/\(number)")
            } else {
                try api.list("images", ["name": image, "architecture": architecture]).first
            }
        guard let found else {
            throw lacking(
                "the project has no image '\(image)' for \(architecture): name a system image, like debian-12, or the "
                    + "number of a snapshot, which scripts/runner-image hcloud makes")
        }
        guard found["architecture"]?.stringValue == architecture else {
            throw lacking("the image '\(image)' is not for \(architecture), which 'types' are of")
        }
        guard found["status"]?.stringValue == "available" else {
            throw lacking("the image '\(image)' is not available yet, or no longer")
        }
    }

    private static func ids(
        of names: [String], in list: String, _ what: String, by api: HCloudAPI
    ) throws(HCloudFailure) -> [Int] {
        var ids: [Int] = []
        for name in names {
            guard let id = try api.list(list, ["name": name]).first?["id"]?.intValue else {
                throw lacking("the project has no \(what) '\(name)'")
            }
            ids.append(id)
        }
        return ids
    }

    private static func lacking(_ words: String) -> HCloudFailure { HCloudFailure(.lacking, words) }

    private static func told(_ names: [String]) -> String {
        let shown = names.sorted().prefix(20)
        return shown.joined(separator: ", ") + (names.count > shown.count ? " and others" : "")
    }
}
