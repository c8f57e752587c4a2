import LianModel
import LianSystem
import LianTestSupport
import Testing

/// Generated inputs against every reader of what people and other programs write. `scripts/fuzz COUNT SEED` runs more.
///
/// They compute for seconds: the pool's threads are left to the tests that wait.
@Suite(.serialized) struct FuzzTests {
    private let run = FuzzRun.asked

    @Test func arguments() async throws {
        try await onOwnThread { [run] in
            Result {
                try run.each { random in
                    var fuzz = ArgumentFuzz(random)
                    try fuzz.run()
                }
            }
        }.get()
    }

    @Test func longForms() async throws {
        try await onOwnThread { [run] in
            Result {
                try run.each { random in
                    var fuzz = LongFormFuzz(random)
                    try fuzz.run()
                }
            }
        }.get()
    }

    @Test func documents() async throws {
        try await onOwnThread { [run] in
            Result {
                try run.each { random in
                    var fuzz = DocumentFuzz(random)
                    try fuzz.run()
                }
            }
        }.get()
    }

    /// The evaluator takes a hundredth of a second for each: a tenth of them.
    @Test(.needsNickel) func bakeFiles() async throws {
        var documents: [JSONValue] = []
        run.each { random in
            var fuzz = BakeFuzz(random)
            documents.append(fuzz.document())
        }
        documents.removeLast(documents.count * 9 / 10)
        let batches = stride(from: 0, to: documents.count, by: 100).map { Array(documents[$0...].prefix(100)) }
        try await withTemporaryFolder { folder in
            let problems = try await concurrently(batches) { index, batch in
                try await problemOfBakeDocuments(batch, in: folder, named: "\(index)")
            }
            #expect(problems.compactMap { $0 } == [])
        }
    }

    /// What is wrong is one process of the evaluator's each.
    @Test(.needsNickel) func bentBakeFiles() async throws {
        var documents: [JSONValue] = []
        run.each { random in
            var fuzz = BakeFuzz(random)
            documents.append(fuzz.bentDocument())
        }
        try await withTemporaryFolder { folder in
            let problems = try await concurrently(Array(documents.prefix(documents.count / 100))) { index, document in
                try await problemOfBakeDocuments([document], in: folder, named: "\(index)")
            }
            for (document, problem) in zip(documents, problems) {
                guard let problem else { continue }
                // In words of its own, not the evaluator's.
                let lines = problem.split(separator: "\n")
                let said = lines.count > 1 ? lines[1].drop { $0 == " " } : ""
                #expect(
                    said.hasPrefix("bake ") || said.hasPrefix("this is not what"), "\(document.encoded()): \(problem)")
            }
        }
    }

    @Test func ignoreRules() async throws {
        try await onOwnThread { [run] in Result { try fuzzIgnoreRules(seed: run.seed, count: run.count) } }.get()
    }

    /// One input goes through three readers in up to a hundred pieces: a tenth takes as long as the others do.
    @Test func secrets() async throws {
        try await onOwnThread { [run] in Result { try fuzzSecrets(seed: run.seed, count: run.count / 10) } }.get()
    }

    @Test func contextsOfTheProbe() async throws {
        try await fuzzIntegrate(seed: run.seed, count: run.count)
    }
}

/// The same for what comes from a runner, an orchestrator or a registry, each reader in a process of its own: a trap ends that and is
/// seen.
@Suite(.serialized) struct RunnerFuzzTests {
    @Test func records() async {
        await #expect(processExitsWith: .success) { try feed(RunnerFuzz.records) }
    }

    @Test func samples() async {
        await #expect(processExitsWith: .success) { try feed(RunnerFuzz.samples) }
    }

    @Test func tools() async {
        await #expect(processExitsWith: .success) { try feed(RunnerFuzz.tools) }
    }

    @Test func challengesOfRegistries() async {
        await #expect(processExitsWith: .success) { try feed(RegistryFuzz.challenges) }
    }

    @Test func manifestsOfRegistries() async {
        await #expect(processExitsWith: .success) { try feed(RegistryFuzz.manifests) }
    }

    @Test func refusalsOfRegistries() async {
        await #expect(processExitsWith: .success) { try feed(RegistryFuzz.refusals) }
    }

    @Test func placesOfRegistries() async {
        await #expect(processExitsWith: .success) { try feed(RegistryFuzz.places) }
    }

    @Test func plainLog() async {
        await #expect(processExitsWith: .success) { try feed(EngineFuzz.plainLog) }
    }

    @Test func rawJSONLog() async {
        await #expect(processExitsWith: .success) { try feed(EngineFuzz.rawJSONLog) }
    }

    @Test func metadata() async {
        await #expect(processExitsWith: .success) { try feed(EngineFuzz.metadata) }
    }

    @Test func dockerfile() async {
        await #expect(processExitsWith: .success) { try feed(EngineFuzz.dockerfile) }
    }

    @Test func answers() async {
        await #expect(processExitsWith: .success) { try feed(OrchestratorFuzz.answers) }
    }

    @Test func times() async {
        await #expect(processExitsWith: .success) { try feed(OrchestratorFuzz.times) }
    }
}

/// The same for packages of Cloacina's.
@Suite(.serialized) struct CloacinaFuzzTests {
    @Test func archives() async {
        await #expect(processExitsWith: .success) { try feed(CloacinaFuzz.archive) }
    }

    @Test func manifests() async {
        await #expect(processExitsWith: .success) { try feed(CloacinaFuzz.manifest) }
    }

    @Test func libraries() async {
        await #expect(processExitsWith: .success) { try feed(LibraryFuzz.libraries) }
    }
}
