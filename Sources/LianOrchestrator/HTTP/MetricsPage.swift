import LianModel

/// What Prometheus reads: what was counted, and what there is just now.
struct MetricsPage {
    let meters: Meters
    let fleet: Fleet
    let volumes: Volumes?
    let store: Store

    /// A token that does not see all gets what is of its workspaces, and no sum over others.
    func text(for token: Token) -> String {
        let families: [MetricFamily] = meters.families + present.map(\.family) + ProcessUsage.families()
        var sees: ((String) -> Bool)?
        if !token.seesAll { sees = { token.sees($0) } }
        var text = ""
        for family in families { text += family.text(whereWorkspace: sees) }
        return text
    }

    private var present: [Tally] {
        let build = gauge("build_info", "The version that runs; the number is always 1.", Label("version"))
        build.add([lianBuildVersion])
        return [build] + runners + providers + kept + disks
    }

    private var runners: [Tally] {
        let all = fleet.unfinished
        let runners = gauge(
            "runners", "Runners of which something is left; gone are those that are being removed.", meters.state,
            meters.workspace, meters.tier, meters.provider)
        for runner in all {
            runners.add([runner.state.rawValue, runner.workspace, runner.size.tier ?? "none", runner.provider])
        }
        let taken = gauge("runners_places_taken", "Runners that count against the capacity.")
        taken.add([], amount: Double((all + fleet.onStandby).count(where: \.takesAPlace)))
        let capacity = gauge("runners_capacity", "How many runners there may be at once.")
        capacity.add([], amount: Double(fleet.capacity))
        return [runners, taken, capacity]
    }

    private var providers: [Tally] {
        let up = gauge(
            "provider_up", "1 where runners of the provider can be reached, else 0.", meters.provider, Label("kind"))
        let taken = gauge(
            "provider_places_taken", "Runners of the provider that count against the capacity.", meters.provider)
        let capacity = gauge(
            "provider_capacity", "How many runners the provider may have at once, where that is less than all may.",
            meters.provider)
        let wanted = gauge(
            "standby_wanted", "How many machines of the provider are to wait for builds.", meters.provider)
        let waiting = gauge(
            "standby_machines", "Machines that no build has had and of which something is left.", meters.provider,
            meters.state)
        for provider in fleet.providerStatuses() {
            up.add([provider.name, provider.kind], amount: provider.problem == nil ? 1 : 0)
            taken.add([provider.name], amount: Double(provider.taken))
            if let limit = provider.capacity { capacity.add([provider.name], amount: Double(limit)) }
            if let standby = provider.standby { wanted.add([provider.name], amount: Double(standby.wanted)) }
        }
        for machine in fleet.onStandby { waiting.add([machine.provider, machine.state.rawValue]) }
        return [up, taken, capacity, wanted, waiting]
    }

    private var kept: [Tally] {
        let count = gauge("volumes", "Volumes that are kept.", meters.workspace, meters.provider)
        let bytes = gauge("volume_bytes", "What is on volumes that are kept.", meters.workspace, meters.provider)
        for volume in volumes?.servedHeads ?? [] {
            count.add([volume.workspace, volume.provider])
            bytes.add([volume.workspace, volume.provider], amount: Double(volume.bytes))
        }
        return [count, bytes]
    }

    private var disks: [Tally] {
        let disk = Label("disk")
        let free = gauge(
            "disk_free_bytes", "What is free on the disks of the state and of the volumes.", disk, meters.provider)
        let size = gauge("disk_size_bytes", "The sizes of these disks.", disk, meters.provider)
        func add(_ name: String, _ provider: String, _ room: VolumeRoom) {
            free.add([name, provider], amount: Double(room.free))
            size.add([name, provider], amount: Double(room.size))
        }
        if let room = try? VolumeFolders.room(at: store.path) { add("state", "", room) }
        for (place, room) in volumes?.rooms ?? [] { add("volumes", place.provider ?? "", room) }
        return [free, size]
    }

    private func gauge(_ name: String, _ help: String, _ labels: Label...) -> Tally {
        Tally(.gauge, "lian_\(name)", help, labels)
    }
}
