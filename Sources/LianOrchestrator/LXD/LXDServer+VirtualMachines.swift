import LianHTTP
import LianModel

extension LXDServer {
    /// Throws which of the members that runners may be on run no virtual machines. One that is away just now is not asked.
    func requireVirtualMachines(on wanted: [String]?, isClustered: Bool) throws {
        var members = [LXDMember.alone]
        if isClustered {
            let list = try ask(.get, "/cluster/members", ["recursion": "1"]).metadata.arrayValue ?? []
            members = list.compactMap(LXDMember.init).filter(\.isOnline).map(\.name)
        }
        let incapable = try members.filter { member in
            guard wanted?.contains(member) ?? true else { return false }
            let about = try ask(.get, "", isClustered ? ["target": member] : [:]).metadata
            return about["environment"]?["driver"]?.stringValue?.contains("qemu") != true
        }
        guard !incapable.isEmpty else { return }
        let who =
            isClustered ? "the members \(incapable.sorted().joined(separator: ", ")) run" : "the server runs"
        throw ProviderError(
            "\(who) no virtual machines (environment.driver): install qemu there, with /dev/kvm, or name those that do in "
                + "'members'")
    }
}
