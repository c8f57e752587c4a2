import LianMarkup
import LianModel

extension Overview {
    /// What is there now, as a part of the page.
    var markup: Markup {
        Markup([
            section("Runners", id: "runners", runnersMarkup), section("Next sizes", id: "sizes", sizesMarkup),
            section("Volumes", id: "volumes", volumesMarkup), section("Providers", id: "providers", providersMarkup),
        ])
    }

    private var runnersMarkup: Markup {
        let quota: Markup = self.quota.map { ", of which this token may have \($0) at once" } ?? .nothing
        let places: Markup =
            tellsErrors
            ? "\(taken) of \(capacity) places are taken\(quota)."
            : "\(taken) of \(capacity) places are taken by the workspaces that this token sees\(quota)."
        let rows: Markup =
            runners.isEmpty
            ? emptiness(
                """
                No runner is there now. One appears here as soon as a build begins: call <code>lian-build build</code> \
                with this orchestrator’s address as <code>ORCHESTRATOR_URL</code>.
                """)
            : runnersTable(runners).markup
        return "<p>\(places)</p>\n\(rows)"
    }

    private var sizesMarkup: Markup {
        guard !workspaces.isEmpty else {
            return emptiness(
                """
                No workspace has a history yet. After a few builds that succeed, this shows the size that each gets \
                next when it asks for none.
                """)
        }
        return PageTable(
            kind: "sizes", caption: "The size that the next build of a workspace gets if it asks for none",
            columns: ["Workspace", "Size", "Why"],
            rows: workspaces.map { workspace in
                var size: Markup = "the default of its language"
                if case .sized(let sizing, _) = workspace.next { size = "<b>\(sizing.name)</b> \(sizing.measure)" }
                return ["\(workspace.name)", size, "\(workspace.next.reason)"]
            }
        ).markup
    }

    private var volumesMarkup: Markup {
        guard !volumes.isEmpty else {
            return emptiness(
                volumeSupport == .none
                    ? """
                    This orchestrator keeps no volumes, so that each build starts cold. Start it with \
                    <code>--volumes auto</code> to keep what runners learn.
                    """
                    : "No volume is kept yet. The next build that succeeds leaves one, and later ones start warm.")
        }
        let all = volumes.map(\.bytes).reduce(0) { $0.upToLargest(adding: $1) }
        return PageTable(
            kind: "volumes",
            caption: "What is kept for runners to come: \(counted(volumes.count, "volume")), \(Figures.bytes(all))",
            columns: ["Volume", "Size", "Last use", "Engine"],
            rows: volumes.map { volume in
                let users: Markup =
                    volume.inUse == 0
                    ? .nothing : "<small>now in use by \(counted(volume.inUse, "runner"))</small>"
                return [
                    "\(volume.name.description) <small>generation \(volume.generation)</small>",
                    "\(Figures.bytes(volume.bytes))",
                    "<span class=\"label\">last use </span>\(volume.usedAt?.markup ?? "never")\(users)",
                    "\(volume.engine) <small>\(volume.platform), \(volume.provider)</small>",
                ]
            }
        ).markup
    }

    private var providersMarkup: Markup {
        PageTable(
            kind: "providers", caption: "Where runners are made",
            columns: ["Provider", "Health", "Last error"],
            rows: providers.map { provider in
                let health: Markup =
                    provider.problem.map { "<span class=\"bad\"><b>degraded</b></span>: \($0)" }
                    ?? "<span class=\"good\">ok</span>"
                let error: Markup =
                    provider.lastError.map { "\($0.message) <small>\(UTCTime(milliseconds: $0.at).markup)</small>" }
                    ?? (tellsErrors ? "no error since the start" : "told to tokens of all workspaces")
                let kind = provider.kind == provider.name ? nil : provider.kind
                let places = "\(provider.taken)\(provider.capacity.map { " of \($0)" } ?? "") places taken"
                let volumes = provider.volumes.map { $0 == .none ? "no volumes" : "volumes: \($0.rawValue)" }
                let standby = provider.standby.map { "\($0.ready) of \($0.wanted) on standby" }
                let parts = [kind, provider.engine, provider.platforms.first, places, volumes, standby]
                    .compactMap { $0 }
                let lack: Markup = provider.standby?.problem.map { " <small>standby: \($0)</small>" } ?? .nothing
                return ["\(provider.name) <small>\(parts.joined(separator: ", "))</small>", "\(health)\(lack)", error]
            }
        ).markup
    }
}

func runnersTable(_ runners: [Overview.Runner]) -> PageTable {
    PageTable(
        kind: "runners", caption: counted(runners.count, "runner"),
        columns: ["Build", "Runner", "Size", "Age", "Lease", "Volume"],
        rows: runners.map { runner in
            let record = runner.record
            let attempt: Markup = record.attempt ?? 1 > 1 ? ", attempt \(record.attempt ?? 1)" : .nothing
            let build = record.buildID.map { buildLink($0, in: record.workspace, "\($0)") } ?? "unknown"
            let reason: Markup = record.reason.map { ": \($0)" } ?? .nothing
            return [
                "\(build) <small>\(record.workspace)\(attempt)</small>",
                "<b>\(record.state.pageWord)</b>\(reason) <small>\(record.id), \(record.provider)</small>",
                record.size.markup,
                "<span class=\"label\">for </span>\(runner.age.map(Figures.wholeSeconds) ?? "unknown")",
                runner.left.map { "<span class=\"label\">lease: </span>\(Figures.wholeSeconds($0)) left" }
                    ?? "<span class=\"label\">lease: </span>ended",
                record.place?.volume.map(\.markup) ?? "none",
            ]
        })
}

extension RunnerState {
    fileprivate var pageWord: String {
        switch self {
        case .pending: "being made"
        case .ready: "ready"
        case .failed: "failed"
        case .gone: "gone"
        }
    }
}

extension WireSize {
    var markup: Markup {
        let tier: Markup = self.tier.map { "<b>\($0)</b> " } ?? .nothing
        return "\(tier)\(Figures.count(cpu, "core")), \(Figures.memory(megabytes: Double(memoryMB)))"
    }
}

extension RunnerVolume {
    fileprivate var markup: Markup {
        switch state {
        case .warm:
            let name: Markup = from.map { "<small>from \($0.description)</small>" } ?? .nothing
            return "warm \(name)"
        case .cold:
            let why: Markup = reason.map { "<small>\($0.replacing("_", with: " "))</small>" } ?? .nothing
            return "cold \(why)"
        }
    }
}

extension Figures {
    /// What goes on does not stand still long enough for tenths.
    fileprivate static func wholeSeconds(_ milliseconds: Int) -> String {
        let seconds = max(0, milliseconds) / 1000
        return seconds < 60 ? "\(seconds) s" : duration(seconds * 1000)
    }
}
