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
        ]
        var isGood = true
        if let state {
            let obstacle = StateFolder.obstacle(at: state)
            lines.append(("state", obstacle.map { "\(state): \($0)" } ?? state))
            isGood = obstacle == nil
        } else {
            lines.append(("state", "nowhere: neither XDG_STATE_HOME nor HOME says where; name a folder by --state"))
            isGood = false
        }
        do {
            let identity = try await options.identity(environment)
            lines.append(("TLS", identity == nil ? "none: HTTP is plain" : "the certificate is good"))
        } catch {
            lines.append(("TLS", "\(error)"))
            isGood = false
        }
        for plan in options.providers {
            do {
                lines.append(("provider", "\(plan.told): \(try await plan.found(in: state ?? "/", environment))"))
            } catch {
                lines.append(("provider", "\(plan.told): \(error)"))
                isGood = false
            }
        }
        lines.append(("capacity", "\(options.capacity) runners at once"))
        lines.append(("volumes", volumes))
        let now = UTCTime(milliseconds: Timing.system.wallClock())
        lines += (options.tokens ?? []).map { ("token", $0.told(at: now)) }
        if options.tokens == nil {
            do {
                let source = try options.givenToken(environment).map { ", of \($0.source)" }
                lines.append(("token", "one that may everything\(source ?? "")"))
            } catch {
                lines.append(("token", "\(error)"))
                isGood = false
            }
        }
        lines.append(("history", "\(options.historyDays) days"))
        if let events = options.events {
            do {
                _ = try await events.settings(environment)
                lines.append(("events", events.told))
            } catch {
                lines.append(("events", "\(events.told): \((error as? LianError)?.message ?? "\(error)")"))
                isGood = false
            }
        }
        let width = lines.map(\.0.count).max() ?? 0
        for (name, text) in lines {
            print(name + String(repeating: " ", count: width + 2 - name.count) + onOneLine(text))
        }
        return isGood ? 0 : 2
    }

    private var volumes: String {
        guard options.volumes != .none else { return "none" }
        let all = options.volumesGB.map { "\($0) GB" } ?? "200 GB, or half of the disk if that is less,"
        return "\(options.volumes.rawValue), \(options.volumeGB) GB each, \(all) together, \(options.volumeDays) days"
    }
}

extension ProviderPlan {
    fileprivate var told: String {
        let kind = kind.rawValue == name ? "" : " (\(kind.rawValue))"
        let places = capacity.map { ", \($0) at once" } ?? ""
        return "\(name)\(kind)\(places)\(standby.map { ", \($0.count) on standby" } ?? "")"
    }

    /// What its runners would build with. Nothing is made.
    fileprivate func found(in folder: String, _ environment: [String: String]) async throws -> String {
        try await onOwnThread {
            Result { () throws(ProviderError) in
                switch machines {
                case .here(let engine): "engine \(try LocalProvider.find(in: folder, engine, environment).1.name)"
                case .lxd(let config): try look(at: cluster(config, environment, orchestrator: ""))
                case .hcloud(let config): try look(at: cloud(config, environment, orchestrator: ""))
                case .proxmox(let config): try look(at: proxmox(config, environment, orchestrator: ""))
                }
            }
        }.get()
    }

    private func look(at provider: some RunnerProvider) throws(ProviderError) -> String {
        if let refusal = standby.flatMap({ provider.refusal(of: $0.request("", provider: name, publicKey: "")) }) {
            throw ProviderError("standby: \(refusal)")
        }
        switch provider.obstacle(to: .trial(key: "")) {
        case .unreachable(let reason)?: throw ProviderError(reason)
        case .noRoom(let reason)?, .diskFull(let reason)?:
            return "\(provider.engine), \(provider.platform); now \(reason)"
        case nil: return "\(provider.engine), \(provider.platform)"
        }
    }
}

extension TokenConfig {
    fileprivate func told(at now: UTCTime) -> String {
        var parts = ["\(name): \(role.rawValue)", "workspaces \(workspaces.map(\.text).joined(separator: " "))"]
        if !layers.isEmpty { parts.append("layers \(layers.map(\.rawValue).joined(separator: " "))") }
        if let maxRunners { parts.append("\(maxRunners) runners") }
        if let expires {
            let isOver = expires.milliseconds <= now.milliseconds
            parts.append("\(isOver ? "expired" : "until") \(expires.rfc3339)")
        }
        return parts.joined(separator: ", ")
    }
}
