import Glibc
import LianHTTP
import LianModel
import LianSystem

extension LXDProvider {
    private static let tries = 5

    package func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        let marks = marks(order.runnerID)
        let hostKey = try HostKey.make()
        var making = Making(order: order, hostKey: hostKey, marks: marks, end: .now + limits.create)
        // Of an earlier life of this runner: nothing that this call makes.
        if try !patiently(making, isWanted, { () throws(LXDFailure) in try server.instances(of: marks) }).isEmpty {
            try remove(marks)
        }
        for _ in 0..<Self.tries {
            guard let place = try take(&making, isWanted: isWanted) else { continue }
            guard try make(&making, at: place, isWanted: isWanted) else { continue }
            switch try waitUntilSaid(making.name, at: place, isWanted: isWanted) {
            case .ready(let buildkit, let address):
                ready.update { $0[order.runnerID] = .now }
                if making.volume != nil { withVolume.update { _ = $0.insert(order.runnerID) } }
                return RunnerPlace(
                    host: address.host, port: address.port, user: BootScript.user,
                    hostKeys: [hostKey.publicKey.line], workDir: BootScript.workDir, buildkitAddress: buildkit)
            case .unusableVolume(let obstacle):
                try remove(marks)
                making.volume = order.replaceVolume(obstacle)
            }
        }
        throw ProviderError("no name, no port and no member served in \(Self.tries) tries")
    }

    struct Making {
        let order: RunnerOrder
        let hostKey: HostKey
        let marks: Marks
        let end: ContinuousClock.Instant
        /// What it has of a volume by now.
        var volume: OrderedVolume?
        /// How many names were found to be those of others.
        var namesTaken = 0
        /// Members that went while they were asked.
        var lostMembers: Set<String> = []

        init(order: RunnerOrder, hostKey: HostKey, marks: Marks, end: ContinuousClock.Instant) {
            self.order = order
            self.hostKey = hostKey
            self.marks = marks
            self.end = end
            volume = order.volume
        }

        var name: String { LXDInstance.names(of: marks.runner)[namesTaken] }

        var script: String {
            BootScript(
                runnerID: marks.runner, callersKey: order.key, hostKey: hostKey,
                volume: volume.map { $0.isWarm ? .warm : .cold }
            ).text
        }
    }

    /// Where it goes: to its volume, where that holds something, else to the member with the most room. nil where its
    /// volume was replaced instead.
    private func take(_ making: inout Making, isWanted: () -> Bool) throws(ProviderError) -> LXDPlaces.Place? {
        let view = try patiently(making, isWanted) { () throws(LXDFailure) in try cluster.look().get() }
        let id = making.marks.runner
        let size = making.order.request.size
        guard let volume = making.volume else {
            return try places.take(for: id, size, in: view, orchestrator, avoiding: making.lostMembers)
        }
        if volume.isWarm {
            let home = try patiently(making, isWanted) { () throws(LXDFailure) in try volumes?.member(lentTo: id) }
            do {
                return try places.take(
                    for: id, size, in: view, orchestrator, on: home, avoiding: making.lostMembers)
            } catch {
                making.volume = making.order.replaceVolume(.noRoom)
                return nil
            }
        }
        let place = try places.take(for: id, size, in: view, orchestrator, avoiding: making.lostMembers)
        do {
            try volumes?.makeEmpty(for: id, on: place.member.name)
        } catch {
            // Trouble with a volume costs nobody a runner.
            making.volume = making.order.replaceVolume(.cannotBeMade)
        }
        return place
    }

    /// Asks again where the cluster does not answer, as while it chooses a new leader.
    private func patiently<Value>(
        _ making: Making, _ isWanted: () -> Bool, _ ask: () throws(LXDFailure) -> Value
    ) throws(ProviderError) -> Value {
        while true {
            do {
                return try ask()
            } catch {
                guard !error.isRefusal, ContinuousClock.now < making.end else {
                    throw ProviderError("the cluster does not answer: \(error)")
                }
            }
            guard isWanted() else { throw ProviderError.notWanted }
            usleep(200_000)
        }
    }

    /// Creates and starts it. False where its name or its port is somebody else's, or its member has just gone: there is
    /// nothing of it then.
    private func make(_ making: inout Making, at place: LXDPlaces.Place, isWanted: () -> Bool) throws(ProviderError)
        -> Bool
    {
        guard try made(&making, at: place, isWanted: isWanted) else { return false }
        let start: JSONValue = ["action": "start", "timeout": 30]
        let problem = try end(of: "start of \(making.name)", by: making.end, isWanted: isWanted) {
            () throws(LXDFailure) in
            try server.ask(.put, "/instances/\(percentEncoded(making.name))/state", body: start)
        }
        guard let problem, !problem.tells("already running") else { return true }
        guard problem.tells("address already in use") else {
            throw ProviderError("the cluster cannot start \(making.name) on \(place.member.name): \(problem)")
        }
        try remove(making.marks)
        return false
    }

    /// One instance exists in the end, however often the cluster had to be asked. An answer that was lost is not asked for
    /// again before the instance was looked for by its marks; names are unique, so that two requests never make two.
    private func made(_ making: inout Making, at place: LXDPlaces.Place, isWanted: () -> Bool) throws(ProviderError)
        -> Bool
    {
        let query = place.member.name == LXDMember.alone ? [:] : ["target": place.member.name]
        let volume = try making.volume.flatMap { _ throws(ProviderError) in
            try patiently(making, isWanted) { () throws(LXDFailure) in try volumes?.name(lentTo: making.marks.runner) }
        }
        let body = instance(making, at: place, volume: volume)
        let name = making.name
        let marks = making.marks
        let problem = try end(
            of: "making of \(name)", by: making.end, isWanted: isWanted, unless: \.tellsOfALostMember
        ) { () throws(LXDFailure) in
            if try !server.instances(of: marks).isEmpty { return nil }
            return try server.ask(.post, "/instances", query, body: body)
        }
        guard let problem else { return true }
        if problem.tellsOfALostMember {
            making.lostMembers.insert(place.member.name)
            return false
        }
        guard problem.tells("already exists") else {
            let isFull = ["Reached maximum", "no space left", "quota"].contains { problem.tells($0) }
            let words = "the cluster cannot make \(name): \(problem)"
            throw isFull ? ProviderError(noCapacity: words) : ProviderError(words)
        }
        if try !patiently(making, isWanted, { () throws(LXDFailure) in try server.instances(of: marks) }).isEmpty {
            return true
        }
        guard making.namesTaken + 1 < LXDInstance.nameCount else {
            throw ProviderError("all \(LXDInstance.nameCount) names that the machine could have are taken")
        }
        making.namesTaken += 1
        return false
    }

    /// Has the cluster do something and waits for its end; returns why it did not. Asked again where the answer was lost
    /// or the instance is busy. `ask` returns nil where it is done already.
    private func end(
        of what: String, by end: ContinuousClock.Instant, isWanted: () -> Bool,
        unless isFinal: (LXDFailure) -> Bool = { _ in false },
        _ ask: () throws(LXDFailure) -> LXDServer.Answer?
    ) throws(ProviderError) -> LXDFailure? {
        while true {
            guard isWanted() else { throw ProviderError.notWanted }
            let problem: LXDFailure
            do throws(LXDFailure) {
                guard let operation = try ask()?.operation else { return nil }
                while try !server.wait(for: operation, atMost: .seconds(5)) {
                    guard ContinuousClock.now < end, isWanted() else {
                        throw LXDFailure(.unanswered, "it goes on for longer than it may")
                    }
                }
                return nil
            } catch {
                problem = error
            }
            // 404 is an operation that ended a while ago and is forgotten, as after a change of the leader.
            let isWorthAnother =
                !problem.isRefusal || problem.isUnknown || problem.tells("busy running") || problem.tellsOfALostMember
            guard !isFinal(problem), isWorthAnother else { return problem }
            guard ContinuousClock.now < end else { throw ProviderError("\(what): \(problem)") }
            usleep(200_000)
        }
    }

    /// `volume` is the name of what lies on the pool for it.
    private func instance(_ making: Making, at place: LXDPlaces.Place, volume: String?) -> JSONValue {
        let size = making.order.request.size
        var keys: [String: JSONValue] = [
            LXDInstance.Key.orchestrator: .string(making.marks.orchestrator),
            LXDInstance.Key.runner: .string(making.marks.runner),
            LXDInstance.Key.workspace: .string(making.order.request.workspace),
            "cloud-init.user-data": .string(making.script),
            "boot.autostart": "false",
            "limits.memory": .string("\(size.memoryMB)MiB"), "limits.cpu": .string(String(size.cpu)),
        ]
        if !config.isVM {
            keys["security.nesting"] = "true"
            keys["limits.memory.swap"] = "false"
            keys["limits.processes"] = "20000"
            // A pin alone is not applied by members that were not restarted since they joined.
            keys["limits.cpu.allowance"] = .string("\(size.cpu * 100)ms/100ms")
        }
        // By it build steps could read the user-data.
        keys[flavor == .lxd ? "security.devlxd" : "security.guestapi"] = "false"
        var devices: [String: JSONValue] = [:]
        if let pool = config.pool { devices["root"] = ["type": "disk", "path": "/", "pool": .string(pool)] }
        if making.volume != nil, let volumes, let volume { devices[LXDInstance.volumeDevice] = volumes.device(volume) }
        if !hasNetwork {
            let host = place.member.host.contains(":") ? "[\(place.member.host)]" : place.member.host
            devices[LXDInstance.sshDevice] = [
                "type": "proxy", "listen": .string("tcp:\(host):\(place.port)"),
                "connect": .string("tcp:127.0.0.1:\(BootScript.sshPort)"),
            ]
        }
        return .object([
            "name": .string(making.name), "type": config.isVM ? "virtual-machine" : "container", "ephemeral": true,
            "profiles": (config.profiles ?? ["default"]).json,
            "source": ["type": "image", "fingerprint": (image(for: making.order.request)?.fingerprint).json],
            "config": .object(keys), "devices": .object(devices),
        ])
    }

    // MARK: - Until it is ready

    private enum Said {
        case ready(buildkit: String?, address: (host: String, port: Int))
        case unusableVolume(VolumeObstacle)
    }

    private func waitUntilSaid(_ name: String, at place: LXDPlaces.Place, isWanted: () -> Bool) throws(ProviderError)
        -> Said
    {
        let end = ContinuousClock.now + limits.boot
        var pause: UInt32 = 20_000
        var unseen = "it says nothing"
        while true {
            guard isWanted() else { throw ProviderError.notWanted }
            do {
                let text = try server.file(BootScript.wordFile, of: name)
                if let obstacle = text.flatMap(BootScript.volumeObstacle) { return .unusableVolume(obstacle) }
                switch text.flatMap(BootScript.Word.init) {
                case .ready(let buildkit)?: return .ready(buildkit: buildkit, address: try address(of: name, at: place))
                case .failed(let reason)?: throw ProviderError("the machine is no runner: \(reason)")
                case nil: unseen = "it says nothing"
                }
                if try !isListed(name) { throw ProviderError("the machine ended while it was booting") }
            } catch let error as ProviderError {
                throw error
            } catch {
                unseen = "\(error)"
            }
            guard ContinuousClock.now < end else {
                throw ProviderError("the machine is not ready within \(limits.boot): \(unseen)")
            }
            usleep(pause)
            pause = min(pause * 2, 500_000)
        }
    }

    private func isListed(_ name: String) throws(LXDFailure) -> Bool {
        let found = try server.askIfThere("/instances/\(percentEncoded(name))")
        return found.map { $0["status"]?.stringValue != "Stopped" } ?? false
    }

    private func address(of name: String, at place: LXDPlaces.Place) throws(LXDFailure) -> (host: String, port: Int) {
        guard hasNetwork else { return (place.member.host, place.port) }
        let state = try server.ask(.get, "/instances/\(percentEncoded(name))/state").metadata
        for (device, network) in (state["network"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key })
        where device.hasPrefix("eth") || device.hasPrefix("en") {
            for address in network["addresses"]?.arrayValue ?? []
            where address["scope"]?.stringValue == "global" && address["family"]?.stringValue == "inet" {
                if let host = address["address"]?.stringValue { return (host, BootScript.sshPort) }
            }
        }
        throw LXDFailure(.refused(404), "its network has given it no address")
    }
}
