import LianModel
import LianSystem

/// Where runners go: LXD counts no memory, so it is counted here, from what the members have and what is on them.
final class LXDPlaces: Sendable {
    struct Place: Equatable, Sendable {
        let member: LXDMember
        let bytes: Int
        /// A port of the member's that is free, as far as the cluster knows.
        let port: Int
    }

    private let config: LXDConfig
    private let architecture: String
    /// Of this orchestrator's runners, also of those that the list does not hold yet.
    private let taken = Monitor<[String: Place]>([:])

    /// Below the ports that systems give to those who ask for any.
    private static let ports = 20_000..<30_000

    init(_ config: LXDConfig, architecture: String) {
        self.config = config
        self.architecture = architecture
    }

    /// Why there is no room; nil where there is.
    func refusal(of size: WireSize, in view: LXDView, for orchestrator: String) -> String? {
        room(for: size, in: view, orchestrator, taken.current).refusal
    }

    /// Takes a place on the member, or else on the one that has the most room. It is held until `free`.
    func take(
        for runner: String, _ size: WireSize, in view: LXDView, _ orchestrator: String, on home: String? = nil,
        avoiding lost: Set<String> = []
    ) throws(ProviderError) -> Place {
        try taken.update { (taken) throws(ProviderError) in
            var others = taken
            others[runner] = nil
            let (member, refusal) = room(for: size, in: view, orchestrator, others) {
                !lost.contains($0) && home ?? $0 == $0
            }
            guard let member else { throw ProviderError(noCapacity: refusal ?? "") }
            let used = Set(
                view.instances.filter { $0.member == member.name }.flatMap(\.ports.values)
                    + others.values.filter { $0.member.name == member.name }.map(\.port))
            guard let port = Self.ports.filter({ !used.contains($0) }).randomElement() else {
                throw ProviderError(noCapacity: "member \(member.name) has no port left for SSH")
            }
            let place = Place(member: member, bytes: size.memoryMB << 20, port: port)
            taken[runner] = place
            return place
        }
    }

    func free(_ runner: String) {
        taken.update { $0[runner] = nil }
    }

    private func room(
        for size: WireSize, in view: LXDView, _ orchestrator: String, _ taken: [String: Place],
        where isWanted: (String) -> Bool = { _ in true }
    ) -> (member: LXDMember?, refusal: String?) {
        let candidates = view.members.filter { member in
            member.isOnline && config.members?.contains(member.name) ?? true && isWanted(member.name)
                && ["", architecture].contains(member.architecture) && view.memory[member.name] != nil
        }
        let free = candidates.map { member in
            let total = view.memory[member.name] ?? 0
            let listed = view.instances.filter { instance in
                guard instance.member == member.name else { return false }
                guard let marks = instance.marks, marks.orchestrator == orchestrator else { return true }
                return taken[marks.runner] == nil
            }
            let bytes =
                listed.compactMap { $0.memoryLimit.flatMap { lxdBytes($0, of: total) } }
                + taken.values.filter { $0.member.name == member.name }.map(\.bytes)
                + [(config.memoryReserveGB ?? 0) << 30]
            return (member: member, free: bytes.reduce(total) { $0 - min($1, 1 << 50) })
        }
        guard let best = free.max(by: { $0.free < $1.free }) else {
            return (nil, "no member of the cluster that runners may be on is online")
        }
        guard best.free >= size.memoryMB << 20 else {
            let told = free.map { "\($0.member.name) \(max(0, $0.free >> 20)) MB" }.joined(separator: ", ")
            return (nil, "no member has \(size.memoryMB) MB of memory left: \(told)")
        }
        return (best.member, nil)
    }
}
