import LianHTTP
import LianModel
import LianSystem

extension HCloudProvider {
    func places(for request: SpawnRequest) -> [HCloudOffer.Place] { offer.places(for: request) }

    func region(of place: HCloudOffer.Place) -> String? { place.location }

    /// Names are unique, so that two requests never make two.
    func make(
        _ making: Making, in place: HCloudOffer.Place, isWanted: () -> Bool
    ) throws(HCloudFailure) -> HCloudMachine {
        let body = server(making, in: place)
        let marks = making.marks
        let answer = try patiently(until: making.end, while: isWanted) { () throws(HCloudFailure) in
            if books.unanswered.value[marks.runner] != nil, let found = try find(marks).first {
                return Made(machine: found)
            }
            do throws(HCloudFailure) {
                return try Made(try api.ask(.post, "/servers", body: body))
            } catch {
                if error.isUnclear { books.unanswered.update { $0[marks.runner] = .now } }
                // The first request made it, and its answer was lost.
                if error.isNameTaken, let found = try find(marks).first { return Made(machine: found) }
                throw error
            }
        }
        books.unanswered.update { $0[marks.runner] = nil }
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
            "image": .string(making.order.request.image ?? config.image), "labels": labels.json,
            "user_data": .string(making.script),
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
        try patiently(until: end, while: isWanted) { () throws(HCloudFailure) in
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

    /// As it was where the cloud does not tell.
    func lookAgain(at machine: HCloudMachine, _ making: Making) -> HCloudMachine? {
        do {
            return try api.find("server", at: "/servers/\(machine.id)").flatMap(HCloudMachine.init)
        } catch {
            return machine
        }
    }
}
