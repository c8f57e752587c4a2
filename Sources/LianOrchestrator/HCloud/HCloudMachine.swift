import LianModel

/// A server as the cloud lists it.
struct HCloudMachine: CloudMachine, Equatable {
    enum Label {
        static let orchestrator = "lian-orchestrator"
        static let runner = "lian-runner"
        static let workspace = "lian-workspace"
    }

    let id: Int
    let name: String
    let status: String
    let marks: Marks?
    let publicAddress: String?
    let privateAddress: String?

    init?(_ json: JSONValue) {
        guard let id = json["id"]?.intValue, let name = json["name"]?.stringValue,
            let status = json["status"]?.stringValue
        else { return nil }
        self.id = id
        self.name = name
        self.status = status
        let labels = json["labels"]
        if let orchestrator = labels?[Label.orchestrator]?.stringValue, let runner = labels?[Label.runner]?.stringValue
        {
            marks = Marks(orchestrator: orchestrator, runner: runner)
        } else {
            marks = nil
        }
        publicAddress = json["public_net"]?["ipv4"]?["ip"]?.stringValue
        privateAddress = json["private_net"]?[0]?["ip"]?.stringValue
    }

    var hasEnded: Bool { ["off", "stopping", "deleting"].contains(status) }

    /// Of which one of its own marks is asked for, or both.
    static func selector(_ orchestrator: String, _ runner: String? = nil) -> [String: String] {
        let own = "\(Label.orchestrator)==\(orchestrator)"
        return ["label_selector": runner.map { "\(own),\(Label.runner)==\($0)" } ?? own]
    }
}
