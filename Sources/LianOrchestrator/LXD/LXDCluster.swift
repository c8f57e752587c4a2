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

    func of(_ marks: Marks) -> [LXDInstance] { instances.filter { $0.marks == marks } }
}

/// Looks at the cluster. Many ask at once how it is, and one look answers them all.
final class LXDCluster: Sendable {
    typealias Look = Result<LXDView, LXDFailure>

    let server: LXDServer
    private let isClustered: Bool
    private let looks = Monitor(Looks())
    private let memory = Guarded<[String: Int]>([:])

    private struct Looks {
        var isUnderWay = false
        var number = 0
        var last: Look?
        var ended: ContinuousClock.Instant?
    }

    /// All questions of one look together.
    private static let limit: Duration = .seconds(10)
    private static let freshness: Duration = .seconds(1)

    init(_ server: LXDServer, isClustered: Bool) {
        self.server = server
        self.isClustered = isClustered
    }

    /// Looks now, or waits for the look that is under way.
    func look() -> Look {
        let (isMine, number) = looks.update { looks in
            if looks.isUnderWay { return (false, looks.number) }
            looks.isUnderWay = true
            return (true, looks.number)
        }
        if isMine { return lookAndTell() }
        return looks.wait(atMost: Self.limit + .seconds(2)) { $0.number > number ? $0.last : nil }
            ?? .failure(LXDFailure(.unanswered, "the cluster does not answer"))
    }

    /// What was seen last, at once, and has somebody look again where that is a while ago; nil before the first look.
    var last: Look? {
        let (last, isDue) = looks.update { looks in
            let isDue = !looks.isUnderWay && looks.ended.map { ContinuousClock.now - $0 > Self.freshness } ?? true
            if isDue { looks.isUnderWay = true }
            return (looks.last, isDue)
        }
        guard isDue else { return last }
        do {
            try startThread { _ = self.lookAndTell() }
        } catch {
            looks.update { $0.isUnderWay = false }
        }
        return last
    }

    private func lookAndTell() -> Look {
        let look = Look { () throws(LXDFailure) in try see() }
        looks.update { looks in
            looks.isUnderWay = false
            looks.number += 1
            looks.last = look
            looks.ended = .now
        }
        return look
    }

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
        }
        for member in members where member.isOnline && memory.value[member.name] == nil {
            let resources: JSONValue
            do {
                resources = try ask("/resources", isClustered ? ["target": member.name] : [:])
            } catch  where error.isRefusal {
                // It has just gone, and the list does not know yet.
                continue
            }
            if let total = resources["memory"]?["total"]?.intValue { memory.update { $0[member.name] = total } }
        }
        return LXDView(
            begun: begun, instances: (instances.arrayValue ?? []).compactMap(LXDInstance.init), members: members,
            memory: memory.value)
    }
}
