import LianHTTP
import LianModel
import LianSystem

extension ProxmoxProvider {
    /// A VMID is one machine's, so that two requests never make two.
    func make(
        _ making: Making, in node: String, isWanted: () -> Bool
    ) throws(ProxmoxFailure) -> ProxmoxMachine {
        let runner = making.marks.runner
        let size = making.order.request.size
        let resources = try patiently(until: making.end, while: isWanted) { () throws(ProxmoxFailure) in
            try self.resources()
        }
        guard let template = resources.template(config.template, for: node) else {
            throw ProxmoxFailure(.lacking, "the template '\(config.template)' is gone")
        }
        let vmid = try places.take(for: runner, size, on: node, in: resources)
        var machine = ProxmoxMachine(vmid: vmid, node: node, marks: making.marks, status: "stopped")
        try clone(template, as: &machine, making, isWanted: isWanted)
        let made = machine
        try patiently(until: making.end, while: isWanted) { () throws(ProxmoxFailure) in
            // While it is being cloned it is locked.
            guard try api.ask(.get, "\(made.path)/config")["lock"] == nil else {
                throw ProxmoxFailure(.unanswered, "\(made.name) is locked")
            }
            _ = try api.ask(.put, "\(made.path)/config", settings(making))
        }
        try change(made, "start", until: making.end, while: isWanted)
        machine.status = "running"
        return machine
    }

    private func settings(_ making: Making) -> [String: JSONValue] {
        let size = making.order.request.size
        var fields: [String: JSONValue] = [
            "tags": .string(ProxmoxMachine.tags(of: making.marks).joined(separator: ";")),
            "cores": .integer(size.cpu), "sockets": 1, "memory": .string(String(size.memoryMB)), "balloon": 0,
            "onboot": 0,
        ]
        if let bridge = config.bridge { fields["net0"] = .string("virtio,bridge=\(bridge)") }
        return fields
    }

    private func clone(
        _ template: ProxmoxResources.Guest, as machine: inout ProxmoxMachine, _ making: Making, isWanted: () -> Bool
    ) throws(ProxmoxFailure) {
        let marks = making.marks
        var fields: [String: JSONValue] = [
            "newid": .integer(machine.vmid), "name": .string("lian-\(marks.runner)"), "pool": .string(config.pool),
            // With the very request that makes it; the tags come later.
            "description": .string(ProxmoxMachine.tags(of: marks).joined(separator: " ")),
            "full": config.clone == .full ? 1 : 0,
        ]
        if template.node != machine.node { fields["target"] = .string(machine.node) }
        if let storage = config.storage { fields["storage"] = .string(storage) }
        let path = "/nodes/\(percentEncoded(template.node))/qemu/\(template.vmid)/clone"
        let vmid = machine.vmid
        let answer = try patiently(until: making.end, while: isWanted) { () throws(ProxmoxFailure) -> Cloned in
            let isAskedAgain = books.unanswered.value[marks.runner] != nil
            if isAskedAgain, let found = try requestedBefore(marks) { return .found(found) }
            do throws(ProxmoxFailure) {
                let task = try api.ask(.post, path, fields)
                clones.update { $0[task.stringValue ?? ""] = marks.runner }
                return .task(task)
            } catch {
                if error.isUnclear { books.unanswered.update { $0[marks.runner] = .now } }
                if error.isNameTaken {
                    // The first request made it, and its answer was lost.
                    if isAskedAgain, let found = try requestedBefore(marks) { return .found(found) }
                    places.avoid(vmid)
                }
                throw error
            }
        }
        books.unanswered.update { $0[marks.runner] = nil }
        switch answer {
        case .found(let found): machine = found
        case .task(let task): try api.wait(for: task, until: making.end, while: isWanted)
        }
    }

    private enum Cloned {
        case task(JSONValue)
        case found(ProxmoxMachine)
    }

    /// What a request made whose answer was lost; nil where it made nothing.
    private func requestedBefore(_ marks: Marks) throws(ProxmoxFailure) -> ProxmoxMachine? {
        if let found = try find(marks).first { return found }
        guard try clonesUnderWay(in: resources()).isEmpty else { throw ProxmoxFailure(.unanswered, "a clone goes on") }
        return nil
    }

    /// The token's clones of which this process does not know for whom they are: a machine may be told of by its task alone
    /// while it is being cloned.
    func clonesUnderWay(in resources: ProxmoxResources) throws(ProxmoxFailure) -> Set<String> {
        let templates = resources.guests.filter(\.isTemplate)
        var found: Set<String> = []
        for node in Set(config.nodes.compactMap { resources.template(config.template, for: $0)?.node }).sorted() {
            let tasks = try api.ask(
                .get, "/nodes/\(percentEncoded(node))/tasks", ["source": "active", "typefilter": "qmclone"])
            for task in tasks.arrayValue ?? [] where task["endtime"] == nil {
                guard let id = task["upid"]?.stringValue, clones.value[id] == nil else { continue }
                guard api.isOwn(task["user"]?.stringValue ?? "") else { continue }
                if templates.contains(where: { String($0.vmid) == task["id"]?.stringValue }) { found.insert(id) }
            }
        }
        return found
    }

    /// Has a machine started or stopped, and waits until it is.
    func change(
        _ machine: ProxmoxMachine, _ what: String, until end: ContinuousClock.Instant,
        while isWanted: () -> Bool = { true }
    ) throws(ProxmoxFailure) {
        try patiently(until: end, while: isWanted) { () throws(ProxmoxFailure) in
            do throws(ProxmoxFailure) {
                try api.wait(
                    for: try api.ask(.post, "\(machine.path)/status/\(what)"), until: end, while: isWanted)
            } catch {
                guard error.isDoneAlready else { throw error }
            }
        }
    }

    // MARK: - Until it is ready

    /// Reads the script from its input and runs it in the background, once, however often it is asked to; where there is a
    /// systemd, as a service of its own, so that the agent's end does not end what the script starts.
    private static let begin = """
        umask 077
        mkdir /run/lian-boot 2>/dev/null || exit 0
        cat >/run/lian-boot/script
        if [ -d /run/systemd/system ]; then
          exec systemd-run --quiet --unit=lian-boot --property=KillMode=process sh /run/lian-boot/script
        fi
        setsid sh /run/lian-boot/script >/run/lian-boot/log 2>&1 </dev/null &
        """
    /// Others that set the machine up are waited for.
    private static let afterCloudInit =
        "! command -v cloud-init >/dev/null || cloud-init status --wait >/dev/null 2>&1 || :\n"

    /// Hands the boot script over as soon as the machine's agent answers.
    func lookAgain(at machine: ProxmoxMachine, _ making: Making) throws(ProviderError) -> ProxmoxMachine? {
        var now = machine
        do throws(ProxmoxFailure) {
            now.status = try status(of: machine)
            guard !now.hasEnded else { return now }
            if !now.isBegun {
                _ = try api.ask(
                    .post, "\(machine.path)/agent/exec",
                    [
                        "command": ["/bin/sh", "-c", .string(Self.begin)],
                        "input-data": .string(Self.afterCloudInit + making.script),
                    ])
                now.isBegun = true
            }
            if now.host == nil { now.host = try findAddress(of: machine) }
            if let reason = try failure(of: machine) {
                throw ProxmoxFailure(.lacking, "the machine is no runner: \(reason)")
            }
        } catch {
            guard error.mayPass else { throw ProviderError("\(error)") }
        }
        return now
    }

    /// Why the boot script failed, by its own words: a machine without an sshd has nobody else to tell them.
    private func failure(of machine: ProxmoxMachine) throws(ProxmoxFailure) -> String? {
        do throws(ProxmoxFailure) {
            let file = try api.ask(.get, "\(machine.path)/agent/file-read", ["file": .string(BootScript.wordFile)])
            let word = file["content"]?.stringValue.flatMap(BootScript.Word.init)
            return if case .failed(let reason)? = word { reason } else { nil }
        } catch {
            // There is no such file yet.
            return nil
        }
    }
}
