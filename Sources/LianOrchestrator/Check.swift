import LianModel
import LianSystem

/// `--check`: tells what would be served, and makes nothing.
struct Check {
    private let options: Options
    private let environment: [String: String]

    init(_ options: Options, _ environment: [String: String]) {
        self.options = options
        self.environment = environment
    }

    func run() async -> Int32 {
        let state = options.state ?? OrchestratorState.defaultFolder(environment: environment)
        var lines = [
            ("configuration", options.config ?? "none"), ("listens at", options.listen.text),
            ("reached at", options.publicURL ?? "where it listens"),
            ("state", state ?? "nowhere: neither XDG_STATE_HOME nor HOME says where; name a folder by --state"),
        ]
        var isGood = state != nil
        do {
            let identity = try await options.identity(environment)
            lines.append(("TLS", identity == nil ? "none: HTTP is plain" : "the certificate is good"))
        } catch {
            lines.append(("TLS", "\(error)"))
            isGood = false
        }
        do {
            let engine = try await engine(in: state ?? "/")
            lines.append(
                ("provider", "\(options.providerName): engine \(engine), \(options.capacity) runners at once"))
        } catch {
            lines.append(("provider", "\(options.providerName): \(error)"))
            isGood = false
        }
        lines.append(("volumes", volumes))
        lines += (options.tokens ?? []).map { ("token", $0.told) }
        if options.tokens == nil { lines.append(("token", "one that may everything")) }
        lines.append(("history", "\(options.historyDays) days"))
        let width = lines.map(\.0.count).max() ?? 0
        for (name, text) in lines {
            print(name + String(repeating: " ", count: width + 2 - name.count) + onOneLine(text))
        }
        return isGood ? 0 : 2
    }

    private func engine(in folder: String) async throws -> String {
        if let machines = try await options.machines(environment, orchestrator: "") { return machines.engine }
        return try await onOwnThread { [options, environment] in
            Result { () throws(ProviderError) in try LocalProvider.find(in: folder, options.engine, environment).1.name
            }
        }.get()
    }

    private var volumes: String {
        guard options.volumes != .none else { return "none" }
        let all = options.volumesGB.map { "\($0) GB" } ?? "200 GB, or half of the disk if that is less,"
        return "\(options.volumes.rawValue), \(options.volumeGB) GB each, \(all) together, \(options.volumeDays) days"
    }
}

extension TokenConfig {
    fileprivate var told: String {
        var parts = ["\(name): \(role.rawValue)", "workspaces \(workspaces.map(\.text).joined(separator: " "))"]
        if !layers.isEmpty { parts.append("layers \(layers.map(\.rawValue).joined(separator: " "))") }
        if let maxRunners { parts.append("\(maxRunners) runners") }
        if let expires { parts.append("until \(expires.rfc3339)") }
        return parts.joined(separator: ", ")
    }
}
