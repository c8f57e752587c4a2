import LianModel

extension StandbyConfig {
    /// What its machines bear in place of a build's workspace.
    static let workspace = "standby"

    /// A machine of it, with the key that opens it.
    func machine(openedBy privateKey: String) -> Standby {
        Standby(key: privateKey, form: hexadecimal(sha256(Array(form.utf8))))
    }

    /// Whether the machine was made as this says.
    func asksFor(_ record: RunnerRecord) -> Bool {
        record.standby.map { $0 == machine(openedBy: $0.key) } ?? false
    }

    /// What a provider is asked for.
    func request(_ id: String, provider: String, publicKey: String) -> SpawnRequest {
        SpawnRequest(
            workspace: Self.workspace, buildID: id, attempt: 1, size: size, timeBudgetMinutes: 1, leaseSeconds: 60,
            sshPublicKey: publicKey, provider: provider, image: image)
    }

    /// Whether a machine of it that is there serves the request, which its provider can serve.
    func serves(_ request: SpawnRequest, by record: RunnerRecord) -> Bool {
        serves(request.size) && (image == nil || request.image == image)
            && (request.region == nil || request.region == record.place?.region)
    }
}

extension [String: StandbyConfig] {
    /// Why the machine is not wanted any more; nil where it is.
    func refusal(of record: RunnerRecord) -> String? {
        self[record.provider]?.asksFor(record) == true ? nil : "the configuration asks for no such machine any more"
    }
}
