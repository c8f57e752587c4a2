/// Machines that have booted before anybody asks for them, and wait for a build.
package struct StandbyConfig: Equatable, Sendable {
    package let count: Int
    /// What a build has to ask for to get one.
    package let size: WireSize
    /// What they are made of, where that is another image than the provider's own: for builds that name it.
    package let image: String?
    /// How long one waits.
    package let minutes: Int
    /// The fields of the provider that such a machine is made by: one that was made by others is not what is asked for.
    package let form: String

    package static let countRange = 0...100
    /// A machine of a cloud takes some minutes to boot.
    package static let minutesRange = 10...10_080
    package static let defaultMinutes = 60

    /// nil where the provider has none.
    init?(of provider: JSONNode, image own: String?, _ record: inout RecordReader) throws(SchemaViolation) {
        let minutes = try record.optional("standby_minutes")?.integer(in: Self.minutesRange)
        guard let node = try record.optional("standby") else { return nil }
        var record = try node.record()
        count = try record.required("count").integer(in: Self.countRange)
        size = try Self.size(record.required("size"))
        let image = try record.optional("image")?.text(.plainWord)
        self.image = image == own ? nil : image
        try record.close()
        self.minutes = minutes ?? Self.defaultMinutes
        var form = provider.value.objectValue ?? [:]
        form["standby"] = [size.json, image.json]
        for field in ["name", "capacity", "standby_minutes"] { form[field] = nil }
        self.form = JSONValue.object(form).encoded()
    }

    package init(
        count: Int, size: WireSize, image: String? = nil, minutes: Int = StandbyConfig.defaultMinutes, form: String = ""
    ) {
        self.count = count
        self.size = size
        self.image = image
        self.minutes = minutes
        self.form = form
    }

    private static func size(_ node: JSONNode) throws(SchemaViolation) -> WireSize {
        var record = try node.record()
        let tier = try record.optional("tier")?.text(.plainWord)
        let cpu = try record.required("cpu").integer(in: SizeBounds.cpu)
        let memory = try record.required("memory_gb").number(in: SizeBounds.memoryGB)
        try record.close()
        return WireSize(tier: tier, cpu: cpu, memoryGB: memory)
    }

    /// Whether such a machine serves a build of that size. Only where both name a tier does it matter which.
    package func serves(_ wanted: WireSize) -> Bool {
        let isOfTheTier = wanted.tier.map { [nil, $0].contains(size.tier) } ?? true
        return isOfTheTier && wanted.cpu == size.cpu && wanted.memoryMB == size.memoryMB
    }
}
