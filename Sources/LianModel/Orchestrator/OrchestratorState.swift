/// Where the reference orchestrator keeps its state: it and `lian-build` on the same machine agree here.
package enum OrchestratorState {
    /// `$XDG_STATE_HOME/lian-orchestrator`, else `$HOME/.local/state/lian-orchestrator`; nil where neither is set.
    package static func defaultFolder(environment: [String: String]) -> String? {
        // The XDG rule: a path that is not absolute counts as unset.
        if let base = environment["XDG_STATE_HOME"], base.hasPrefix("/") { return "\(base)/lian-orchestrator" }
        guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
        return "\(home)/.local/state/lian-orchestrator"
    }

    package static func tokenFile(in folder: String) -> String { "\(folder)/token" }

    /// Holds the ADDRESS:PORT that a running orchestrator listens at.
    package static func listenFile(in folder: String) -> String { "\(folder)/listen" }
}
