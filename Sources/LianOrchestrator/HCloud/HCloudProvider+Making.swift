import LianHTTP
import LianModel
import LianSystem

extension HCloudProvider {
    private static let names = 1...5

    /// In each place that the tier may have, one after the other, until one has room.
    package func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        let marks = marks(order.runnerID)
        // Of an earlier life of this runner: nothing that this call makes.
        try remove(marks)
        let hostKey = try HostKey.make()
        var making = Making(
            order: order, script: BootScript(runnerID: order.runnerID, callersKey: order.key, hostKey: hostKey).text,
            marks: marks, end: .now + limits.create)
        var refusals: [String] = []
        for place in offer.places(for: order.request) {
            do {
                let machine = try make(&making, in: place, isWanted: isWanted)
                let (word, host) = try waitUntilReady(machine, isWanted: isWanted)
                ready.update { $0[order.runnerID] = .now }
                return RunnerPlace(
                    host: host, port: BootScript.sshPort, user: BootScript.user,
                    hostKeys: [hostKey.publicKey.line], workDir: BootScript.workDir, buildkitAddress: word)
            } catch let failure as HCloudFailure {
                guard isWanted() else { throw ProviderError.notWanted }
                guard failure.isNoRoom else { throw ProviderError("the cloud cannot make \(place): \(failure)") }
                refusals.append("\(place): \(failure)")
                // Of a machine that could not be started after all.
                try remove(marks)
            } catch {
                throw error as? ProviderError ?? ProviderError("\(error)")
            }
        }
        throw ProviderError("\(RunnerAnswer.noCapacity)\(refusals.joined(separator: "; "))")
    }

    private struct Making {
        let order: RunnerOrder
        let script: String
        let marks: Marks
        let end: ContinuousClock.Instant
        /// How many names were found to be those of others.
        var namesTaken = 0

        var name: String { "lian-\(marks.runner)" + (namesTaken == 0 ? "" : "-\(namesTaken + 1)") }
    }

    /// One machine exists in the end, however often the cloud had to be asked. Where an answer was lost, the machine is
    /// looked for by its marks before it is asked for again; names are unique, so that two requests never make two.
    private func make(
        _ making: inout Making, in place: HCloudOffer.Place, isWanted: () -> Bool
    ) throws(HCloudFailure) -> HCloudMachine {
        for _ in Self.names {
            do {
                return try make(making, in: place, isWanted: isWanted)
            } catch {
                guard error.isNameTaken else { throw error }
                making.namesTaken += 1
            }
        }
        throw HCloudFailure(.lacking, "no name of \(Self.names.count) was free")
    }

    private func make(
        _ making: Making, in place: HCloudOffer.Place, isWanted: () -> Bool
    ) throws(HCloudFailure) -> HCloudMachine {
        let body = server(making, in: place)
        let marks = making.marks
        let answer = try api.patiently(until: making.end, while: isWanted) { () throws(HCloudFailure) in
            if unanswered.value[marks.runner] != nil, let found = try find(marks).first { return Made(machine: found) }
            do throws(HCloudFailure) {
                return try Made(try api.ask(.post, "/servers", body: body))
            } catch {
                if error.isUnclear { unanswered.update { $0[marks.runner] = .now } }
                // The first request made it, and its answer was lost.
                if error.isNameTaken, let found = try find(marks).first { return Made(machine: found) }
                throw error
            }
        }
        unanswered.update { $0[marks.runner] = nil }
        for action in answer.actions { try wait(for: action, until: making.end, isWanted: isWanted) }
        return answer.machine
    }

    private struct Made {
        let machine: HCloudMachine
        var actions: [Int] = []

        init(machine: HCloudMachine) { self.machine = machine }

        init(_ json: JSONValue) throws(HCloudFailure) {
            guard let machine = json["server"].flatMap(HCloudMachine.init) else {
                throw HCloudFailure(.unanswered, "the answer to a create holds no server")
            }
            self.machine = machine
            actions = ([json["action"]] + (json["next_actions"]?.arrayValue ?? [])).compactMap { $0?["id"]?.intValue }
        }
    }

    private func server(_ making: Making, in place: HCloudOffer.Place) -> JSONValue {
        var labels = config.labels
        labels[HCloudMachine.Label.orchestrator] = making.marks.orchestrator
        labels[HCloudMachine.Label.runner] = making.marks.runner
        labels[HCloudMachine.Label.workspace] = making.order.request.workspace
        var body: [String: JSONValue] = [
            "name": .string(making.name), "server_type": .string(place.type), "location": .string(place.location),
            "image": .string(config.image), "labels": labels.json, "user_data": .string(making.script),
            "start_after_create": true,
            "public_net": ["enable_ipv4": config.hasPublicIPv4.json, "enable_ipv6": config.hasPublicIPv4.json],
        ]
        if !offer.networks.isEmpty { body["networks"] = offer.networks.json }
        if !offer.firewalls.isEmpty {
            body["firewalls"] = .array(offer.firewalls.map { ["firewall": .integer($0)] })
        }
        if let group = offer.placementGroup { body["placement_group"] = .integer(group) }
        return .object(body)
    }

    /// Polls what the cloud does in the background; throws why it failed.
    func wait(
        for action: Int, until end: ContinuousClock.Instant, isWanted: () -> Bool = { true }
    ) throws(HCloudFailure) {
        try api.patiently(until: end, while: isWanted) { () throws(HCloudFailure) in
            // One that is forgotten has ended.
            guard let found = try api.find("action", at: "/actions/\(action)") else { return }
            switch found["status"]?.stringValue {
            case "success"?: return
            case "error"?:
                let error = found["error"]
                throw HCloudFailure(
                    .refused(status: 422, code: error?["code"]?.stringValue ?? "action_failed"),
                    onOneLine(error?["message"]?.stringValue ?? "no reason"))
            default: throw HCloudFailure(.unanswered, "\(found["command"]?.stringValue ?? "an action") goes on")
            }
        }
    }

    // MARK: - Until it is ready

    /// The boot script's word comes with the greeting of the machine's sshd: of the inside of a server the cloud tells
    /// nothing.
    private func waitUntilReady(
        _ made: HCloudMachine, isWanted: () -> Bool
    ) throws(ProviderError) -> (buildkit: String?, host: String) {
        let end = ContinuousClock.now + limits.boot
        var machine = made
        var looked = ContinuousClock.now
        var unseen = "it has no address"
        while true {
            if let host = address(of: machine) {
                let banner = sshBanner(host: host, port: BootScript.sshPort, within: .seconds(2))
                switch banner.flatMap(BootScript.Word.of(greeting:)) {
                case .ready(let buildkit)?: return (buildkit, host)
                case .failed(let reason)?: throw ProviderError("the machine is no runner: \(reason)")
                case nil: unseen = banner == nil ? "its sshd is silent" : "its boot script has not come to its end"
                }
            }
            if ContinuousClock.now - looked > (address(of: machine) == nil ? .seconds(2) : .seconds(5)) {
                machine = try lookAgain(at: machine)
                looked = .now
            }
            guard waitOut(.milliseconds(500), while: isWanted) else {
                throw ProviderError.notWanted
            }
            guard ContinuousClock.now < end else {
                throw ProviderError("the machine is not ready within \(limits.boot): \(unseen)")
            }
        }
    }

    /// As it is now; as it was where the cloud does not tell.
    private func lookAgain(at machine: HCloudMachine) throws(ProviderError) -> HCloudMachine {
        let found: JSONValue?
        do {
            found = try api.find("server", at: "/servers/\(machine.id)")
        } catch {
            return machine
        }
        guard let now = found.flatMap(HCloudMachine.init), !now.hasEnded else {
            throw ProviderError("the machine ended while it was booting")
        }
        return now
    }
}
