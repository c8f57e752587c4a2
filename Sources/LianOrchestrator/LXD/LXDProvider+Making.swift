import Glibc
import LianHTTP
import LianModel
import LianSystem

extension LXDProvider {
    private static let createLimit: Duration = .seconds(120)
    private static let bootLimit: Duration = .seconds(240)
    private static let tries = 5

    package func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        let marks = marks(order.runnerID)
        // Of an earlier life of this runner: nothing that this call makes.
        try remove(marks)
        let hostKey = try HostKey.make()
        let script = BootScript(runnerID: order.runnerID, callersKey: order.key, hostKey: hostKey).text
        var making = Making(order: order, script: script, marks: marks, end: .now + Self.createLimit)
        for _ in 0..<Self.tries {
            let place = try places.take(for: order.runnerID, order.request.size, in: view(), orchestrator)
            guard try make(&making, at: place, isWanted: isWanted) else { continue }
            let (word, address) = try waitUntilReady(making.name, at: place, isWanted: isWanted)
            ready.update { $0[order.runnerID] = Ready(at: .now, host: address.host, port: address.port) }
            return RunnerPlace(
                host: address.host, port: address.port, user: BootScript.user, hostKeys: [hostKey.publicKey.line],
                workDir: BootScript.workDir, buildkitAddress: word)
        }
        throw ProviderError("no name or no port was free in \(Self.tries) tries")
    }

    private struct Making {
        let order: RunnerOrder
        let script: String
        let marks: Marks
        let end: ContinuousClock.Instant
        /// How many names were found to be those of others.
        var namesTaken = 0

        var name: String { LXDInstance.names(of: marks.runner)[namesTaken] }
    }

    /// Creates and starts it. False where its name or its port is somebody else's: there is nothing of it then.
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
        let body = instance(making, at: place)
        let name = making.name
        let marks = making.marks
        let problem = try end(of: "making of \(name)", by: making.end, isWanted: isWanted) { () throws(LXDFailure) in
            if try !server.instances(of: marks).isEmpty { return nil }
            return try server.ask(.post, "/instances", query, body: body)
        }
        guard let problem else { return true }
        guard problem.tells("already exists") else {
            let isFull = ["Reached maximum", "no space left", "quota"].contains { problem.tells($0) }
            throw ProviderError("\(isFull ? RunnerAnswer.noCapacity : "")the cluster cannot make \(name): \(problem)")
        }
        do {
            if try !server.instances(of: marks).isEmpty { return true }
        } catch {
            throw ProviderError("the cluster does not answer: \(error)")
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
                !problem.isRefusal || problem.isUnknown || problem.tells("busy running")
                || problem.tells("Missing event connection")
            guard isWorthAnother else { return problem }
            guard ContinuousClock.now < end else { throw ProviderError("\(what): \(problem)") }
            usleep(200_000)
        }
    }

    private func instance(_ making: Making, at place: LXDPlaces.Place) -> JSONValue {
        let size = making.order.request.size
        var keys: [String: JSONValue] = [
            LXDInstance.Key.orchestrator: .string(making.marks.orchestrator),
            LXDInstance.Key.runner: .string(making.marks.runner),
            LXDInstance.Key.workspace: .string(making.order.request.workspace),
            "cloud-init.user-data": .string(making.script),
            "security.nesting": "true", "boot.autostart": "false",
            "limits.memory": .string("\(size.memoryMB)MiB"), "limits.memory.swap": "false",
            "limits.processes": "20000", "limits.cpu": .string(String(size.cpu)),
            // A pin alone is not applied by members that were not restarted since they joined.
            "limits.cpu.allowance": .string("\(size.cpu * 100)ms/100ms"),
        ]
        // By it build steps could read the user-data.
        keys[flavor == .lxd ? "security.devlxd" : "security.guestapi"] = "false"
        var devices: [String: JSONValue] = [:]
        if let pool = config.pool { devices["root"] = ["type": "disk", "path": "/", "pool": .string(pool)] }
        if !hasNetwork {
            let host = place.member.host.contains(":") ? "[\(place.member.host)]" : place.member.host
            devices[LXDInstance.sshDevice] = [
                "type": "proxy", "listen": .string("tcp:\(host):\(place.port)"),
                "connect": .string("tcp:127.0.0.1:\(BootScript.sshPort)"),
            ]
        }
        return .object([
            "name": .string(making.name), "type": "container", "ephemeral": true,
            "profiles": (config.profiles ?? ["default"]).json,
            "source": ["type": "image", "alias": .string(config.image)], "config": .object(keys),
            "devices": .object(devices),
        ])
    }

    // MARK: - Until it is ready

    private func waitUntilReady(_ name: String, at place: LXDPlaces.Place, isWanted: () -> Bool) throws(ProviderError)
        -> (buildkit: String?, address: (host: String, port: Int))
    {
        let end = ContinuousClock.now + Self.bootLimit
        var pause: UInt32 = 20_000
        var unseen = "it says nothing"
        while true {
            guard isWanted() else { throw ProviderError.notWanted }
            do {
                switch try server.file(BootScript.wordFile, of: name).flatMap(BootScript.Word.init) {
                case .ready(let buildkit)?: return (buildkit, try address(of: name, at: place))
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
                throw ProviderError("the machine is not ready within \(Self.bootLimit): \(unseen)")
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
        throw LXDFailure(.refused(404), "it has no address yet")
    }
}
