import LianModel
import LianSystem

/// Which VMIDs and how much of the nodes' memory is left: Proxmox itself lets machines be started beyond what a node has.
final class ProxmoxPlaces: Sendable {
    private struct Place {
        let node: String
        let vmid: Int
        let bytes: Int
    }

    private struct Books {
        /// By runner, also of those that the list does not hold yet.
        var taken: [String: Place] = [:]
        /// VMIDs of machines that the token may not see, and when that was found.
        var avoided: [Int: ContinuousClock.Instant] = [:]
    }

    private let vmids: ClosedRange<Int>
    /// For how long the VMID of a machine that cannot be seen is left alone: whether that one is gone nobody tells.
    private let avoidance: Duration
    private let books = Monitor(Books())

    init(_ vmids: ClosedRange<Int>, avoidance: Duration = .seconds(600)) {
        self.vmids = vmids
        self.avoidance = avoidance
    }

    /// Takes a VMID and memory of the node. They are held until `free`.
    func take(
        for runner: String, _ size: WireSize, on node: String, in resources: ProxmoxResources
    ) throws(ProxmoxFailure) -> Int {
        try books.update { (books) throws(ProxmoxFailure) in
            books.taken[runner] = nil
            if let refusal = refusal(of: size, on: node, in: resources, books) {
                throw ProxmoxFailure(.full, refusal)
            }
            let vmid = try freeVMID(in: resources, books)
            books.taken[runner] = Place(node: node, vmid: vmid, bytes: size.memoryMB << 20)
            return vmid
        }
    }

    func holds(_ runner: String) -> Bool { books.current.taken[runner] != nil }

    func free(_ runner: String) { books.update { $0.taken[runner] = nil } }

    /// It is of a machine that cannot be seen.
    func avoid(_ vmid: Int) { books.update { $0.avoided[vmid] = .now } }

    /// Why there is no room on any of the nodes; nil where there is.
    func refusal(of size: WireSize, on nodes: [String], in resources: ProxmoxResources) -> String? {
        books.update { books in
            do throws(ProxmoxFailure) {
                _ = try freeVMID(in: resources, books)
            } catch {
                return "\(error)"
            }
            let refusals = nodes.compactMap { node in
                refusal(of: size, on: node, in: resources, books).map { "\(node): \($0)" }
            }
            return refusals.count < nodes.count ? nil : refusals.joined(separator: "; ")
        }
    }

    private func freeVMID(in resources: ProxmoxResources, _ books: Books) throws(ProxmoxFailure) -> Int {
        let avoided = books.avoided.filter { .now - $0.value < avoidance }.keys
        let used = Set(resources.guests.map(\.vmid) + books.taken.values.map(\.vmid)).union(avoided)
        guard let vmid = vmids.first(where: { !used.contains($0) }) else {
            throw ProxmoxFailure(.full, "no VMID from \(vmids.lowerBound) to \(vmids.upperBound) is free")
        }
        return vmid
    }

    private func refusal(
        of size: WireSize, on name: String, in resources: ProxmoxResources, _ books: Books
    ) -> String? {
        guard let node = resources.nodes.first(where: { $0.name == name }), node.isOnline else {
            return "it is not online"
        }
        let held = Set(books.taken.values.map(\.vmid))
        let running = resources.guests.filter { $0.node == name && $0.status == "running" && !held.contains($0.vmid) }
        let promised =
            running.map(\.memory).reduce(0, +)
            + books.taken.values.filter { $0.node == name }.map(\.bytes).reduce(0, +)
        let free = (node.memory ?? 0) - max(promised, node.usedMemory)
        guard free < size.memoryMB << 20 else { return nil }
        return "\(size.memoryMB) MB of memory are more than the \(max(0, free >> 20)) MB that are left"
    }
}
