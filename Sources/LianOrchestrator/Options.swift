import LianFlags
import LianModel

/// The command line of `lian-orchestrator`.
package struct Options: Equatable, Sendable {
    package enum Action: Equatable, Sendable { case serve, sweep, help, version, completions(Shell) }
    package enum OnStop: String, CaseIterable, Sendable { case destroy, keep }

    package var action = Action.serve
    package var state: String?
    package var listen = ListenAddress(host: "127.0.0.1", port: 9011)
    package var tokenFile: String?
    package var engine = EngineChoice.auto
    package var capacity = 16
    package var onStop = OnStop.destroy
    package var volumes = VolumesChoice.auto
    package var volumeGB = 50
    /// nil: 200, or half of the disk if that is less.
    package var volumesGB: Int?
    package var volumeDays = 10
    /// nil: half of what is free, 100 at most.
    package var volumesFileGB: Int?
    package var log: EventLog.Form?

    private static let gigabytes = 1...1_000_000

    package init() {}

    package init(_ arguments: [String]) throws(LianError) {
        let syntax = CommandSyntax.lianOrchestrator
        if let question = syntax.question(in: arguments) {
            action = question == .help ? .help : .version
            return
        }
        let parsed = try ArgumentParser.parse(arguments, for: syntax, environment: [:])
        let reader = ArgumentReader(parsed)
        if let shell: Shell = try reader.choice(Flag.completions.name) {
            action = .completions(shell)
        } else if parsed.has("--sweep") {
            action = .sweep
        }
        state = try reader.path("--state")
        tokenFile = try reader.path("--token-file")
        if let text = parsed.value("--listen") {
            guard let address = ListenAddress(text) else {
                throw reader.refusal(
                    "--listen", "must be an address in digits and a port, 127.0.0.1:9011, not '\(text)'")
            }
            listen = address
        }
        capacity = try reader.integer("--capacity", in: 1...10_000) ?? capacity
        engine = try reader.choice("--engine") ?? engine
        onStop = try reader.choice("--on-stop") ?? onStop
        volumes = try reader.choice("--volumes") ?? volumes
        volumeGB = try reader.integer("--volume-gb", in: Self.gigabytes) ?? volumeGB
        volumesGB = try reader.integer("--volumes-gb", in: Self.gigabytes)
        volumeDays = try reader.integer("--volume-days", in: 1...3650) ?? volumeDays
        volumesFileGB = try reader.integer("--volumes-file-gb", in: Self.gigabytes)
        log = try reader.choice("--log")
    }
}
