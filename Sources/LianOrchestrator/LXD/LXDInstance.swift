import LianModel

/// An instance as the cluster lists it, whoever it belongs to.
struct LXDInstance: Equatable, Sendable {
    enum Key {
        static let orchestrator = "user.lian.orchestrator"
        static let runner = "user.lian.runner"
        static let workspace = "user.lian.workspace"
    }

    /// How often another name is tried where one is somebody else's.
    static let nameCount = 5

    /// The names that a runner's machine may have.
    static func names(of runner: String) -> [String] {
        (1...nameCount).map { "lian-\(runner)" + ($0 == 1 ? "" : "-\($0)") }
    }

    static let sshDevice = "lian-ssh"
    static let volumeDevice = "lian-volume"

    let name: String
    /// Of a machine that is not in a cluster: "none".
    let member: String
    let status: String
    let marks: Marks?
    /// As it was written: "4GiB", "10%".
    let memoryLimit: String?
    /// The ports of the member on which proxies listen.
    let ports: [String: Int]

    init?(_ json: JSONValue) {
        guard let name = json["name"]?.stringValue, let status = json["status"]?.stringValue else { return nil }
        self.name = name
        self.status = status
        member = json["location"]?.stringValue ?? LXDMember.alone
        // Of the instance itself: a profile's keys would mark whoever uses it.
        let config = json["config"]
        if let orchestrator = config?[Key.orchestrator]?.stringValue, let runner = config?[Key.runner]?.stringValue {
            marks = Marks(orchestrator: orchestrator, runner: runner)
        } else {
            marks = nil
        }
        memoryLimit = json["expanded_config"]?["limits.memory"]?.stringValue
        ports = (json["expanded_devices"]?.objectValue ?? [:]).compactMapValues { device in
            guard device["type"]?.stringValue == "proxy", device["bind"]?.stringValue ?? "host" == "host",
                let listen = device["listen"]?.stringValue
            else { return nil }
            return listen.split(separator: ":").last.flatMap { Int($0) }
        }
    }

    var isRunning: Bool { status == "Running" || status == "Ready" }
    /// Its member does not answer: nobody knows how it is, and the cluster tells no more of it than its name.
    var isUnseen: Bool { status == "Error" }

    /// Whether it has to count as the runner's. Of one that is not seen only the name can tell, and it cannot be touched
    /// either; once it is seen again, its marks tell.
    func mayBe(of marks: Marks) -> Bool {
        self.marks == marks || self.marks == nil && isUnseen && Self.names(of: marks.runner).contains(name)
    }
    /// The cluster has begun to make it, or to end it.
    var isUnderWay: Bool { ["Starting", "Stopping", "Pending", "Aborting"].contains(status) }
}

/// A machine of the cluster.
struct LXDMember: Equatable, Sendable {
    /// The name of the only one where there is no cluster.
    static let alone = "none"

    let name: String
    /// In digits, or a name.
    let host: String
    let isOnline: Bool
    let architecture: String

    init(name: String, host: String, isOnline: Bool, architecture: String) {
        self.name = name
        self.host = host
        self.isOnline = isOnline
        self.architecture = architecture
    }

    init?(_ json: JSONValue) {
        guard let name = json["server_name"]?.stringValue, let text = json["url"]?.stringValue,
            let url = try? HTTPURL(text)
        else { return nil }
        self.init(
            name: name, host: url.host, isOnline: json["status"]?.stringValue == "Online",
            architecture: json["architecture"]?.stringValue ?? "")
    }
}

/// Bytes as LXD writes them: "512MB", "4GiB", "1073741824", or a share of the machine's: "50%".
func lxdBytes(_ text: String, of total: Int) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits) else { return nil }
    let unit = text.dropFirst(digits.count)
    if unit == "%" { return total / 100 * min(number, 100) }
    let scales: [Substring: Int] = [
        "": 1, "B": 1, "bytes": 1, "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
        "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
    ]
    guard let scale = scales[unit] else { return nil }
    let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: scale)
    return isTooMuch || bytes > OutsideNumber.largest ? nil : bytes
}
