import LianHTTP
import LianModel
import LianSystem

/// What the cluster told of itself at one time.
struct LXDView: Sendable {
    let begun: ContinuousClock.Instant
    let instances: [LXDInstance]
    let members: [LXDMember]
    /// Bytes of memory of each member that is online.
    let memory: [String: Int]

    func of(_ marks: Marks) -> [LXDInstance] { instances.filter { $0.mayBe(of: marks) } }
}

/// Looks at the cluster. Many ask at once how it is, and one look answers them all.
final class LXDCluster: Sendable {
    typealias Look = Lookout<LXDView, LXDFailure>.Look

    let server: LXDServer
    private let isClustered: Bool
    private let lookout = Lookout<LXDView, LXDFailure>(
        limit: LXDCluster.limit, freshness: .seconds(1),
        silence: LXDFailure(.unanswered, "the cluster does not answer"))
    private let memory = Guarded<[String: Int]>([:])

    /// All questions of one look together.
    private static let limit: Duration = .seconds(10)

    init(_ server: LXDServer, isClustered: Bool) {
        self.server = server
        self.isClustered = isClustered
    }

    /// Looks now, or waits for the look that is under way.
    func look() -> Look { lookout.look { () throws(LXDFailure) in try see() } }

    /// What was seen last, at once; nil before the first look.
    var last: Look? { lookout.last { () throws(LXDFailure) in try self.see() } }

    private func see() throws(LXDFailure) -> LXDView {
        let begun = ContinuousClock.now
        let end = begun + Self.limit
        func ask(_ path: String, _ query: [String: String]) throws(LXDFailure) -> JSONValue {
            try server.ask(.get, path, query, within: max(.milliseconds(1), end - .now)).metadata
        }
        let instances = try ask("/instances", ["recursion": "1", "all-projects": "true"])
        var members = [LXDMember(name: LXDMember.alone, host: "127.0.0.1", isOnline: true, architecture: "")]
        if isClustered {
            members = (try ask("/cluster/members", ["recursion": "1"]).arrayValue ?? []).compactMap(LXDMember.init)
            // Whoever answers is there: a cluster that has lost its leader knows of nobody until the next one has asked.
            guard members.contains(where: \.isOnline) else {
                throw LXDFailure(.unanswered, "none of its members counts as online, as while it chooses a new leader")
            }
        }
        for member in members where member.isOnline && memory.value[member.name] == nil {
            let resources: JSONValue
            do {
                resources = try ask("/resources", isClustered ? ["target": member.name] : [:])
            } catch  where error.isRefusal {
                // It has just gone, and the list does not know yet.
                continue
            }
            if let total = resources["memory"]?["total"]?.amountValue {
                memory.update { $0[member.name] = total }
            }
        }
        return LXDView(
            begun: begun, instances: (instances.arrayValue ?? []).compactMap(LXDInstance.init), members: members,
            memory: memory.value)
    }
}
