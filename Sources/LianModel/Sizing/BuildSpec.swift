/// `.build-spec.ncl` in a context: what the repository that is built asks for its runner. It is not trusted.
package struct BuildSpec: Equatable, Sendable {
    package let cpu: Int?
    package let memoryGB: Double?
    package let timeBudgetMinutes: Int?
    package let language: String?
    package let runnerImage: String?

    package init(_ node: JSONNode) throws(SchemaViolation) {
        var record = try node.record()
        cpu = try record.optional("cpu")?.integer(in: SizeBounds.cpu)
        memoryGB = try record.optional("memory_gb")?.number(in: SizeBounds.memoryGB)
        timeBudgetMinutes = try record.optional("time_budget_min")?.integer(in: SizeBounds.timeBudgetMinutes)
        language = try record.optional("language")?.text(.plainWord)
        runnerImage = try record.optional("runner_image")?.text(.plainWord)
        try record.close()
    }

    package var size: SizeWish { SizeWish(cpu: cpu, memoryGB: memoryGB, timeBudgetMinutes: timeBudgetMinutes) }
}
