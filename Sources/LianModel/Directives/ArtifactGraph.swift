/// Which artifact is built before which.
struct ArtifactGraph {
    private let names: [String]
    private let dependencies: [[String]]

    init(_ artifacts: [BuildArtifact]) {
        names = artifacts.map(\.name)
        dependencies = artifacts.map(\.dependsOn)
    }

    /// Indices, each after those it depends on; among those that are free, the order of the file. What stands in a
    /// circle is left out.
    var order: [Int] {
        var order: [Int] = []
        var done: Set<String> = []
        while let next = names.indices.first(where: { index in
            !done.contains(names[index]) && dependencies[index].allSatisfy(done.contains)
        }) {
            order.append(next)
            done.insert(names[next])
        }
        return order
    }

    func check(at list: JSONNode) throws(SchemaViolation) {
        for (artifact, node) in zip(dependencies, try list.items()) {
            for (index, name) in artifact.enumerated() where !names.contains(name) {
                throw SchemaViolation(
                    path: "\(node.path).depends_on[\(index)]", rule: "must be the name of an artifact of this file",
                    found: "\"\(name)\"")
            }
        }
        if let circle {
            throw list.violation(
                "must not depend on each other in a circle: \(circle.joined(separator: " -> "))")
        }
    }

    /// The way from one stuck artifact to the next, from where it comes back upon itself: its first name is its last.
    private var circle: [String]? {
        let free = Set(order)
        let stuck = names.indices.filter { !free.contains($0) }
        guard var here = stuck.first else { return nil }
        var way: [Int] = []
        while true {
            if let start = way.firstIndex(of: here) { return (way[start...] + [here]).map { names[$0] } }
            way.append(here)
            // An artifact is stuck because one that it depends on is.
            guard let next = dependencies[here].lazy.compactMap({ name in stuck.first { names[$0] == name } }).first
            else { return nil }
            here = next
        }
    }
}
