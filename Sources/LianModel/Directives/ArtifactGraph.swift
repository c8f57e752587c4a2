/// Which artifact is built before which.
struct ArtifactGraph {
    private let names: [String]
    private let dependencies: [[String]]

    init(_ artifacts: [BuildArtifact]) {
        names = artifacts.map(\.name)
        dependencies = artifacts.map(\.dependsOn)
    }

    /// Indices of the artifacts, each after those it depends on; where several could come next, in the order of the
    /// file. Artifacts in a circle, and those that depend on one, are left out.
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

    /// The names along one circle of dependencies; the first name is repeated at the end.
    private var circle: [String]? {
        let free = Set(order)
        let stuck = names.indices.filter { !free.contains($0) }
        guard var here = stuck.first else { return nil }
        var way: [Int] = []
        while true {
            if let start = way.firstIndex(of: here) { return (way[start...] + [here]).map { names[$0] } }
            way.append(here)
            // An artifact is stuck because it depends on another stuck one.
            guard let next = dependencies[here].lazy.compactMap({ name in stuck.first { names[$0] == name } }).first
            else { return nil }
            here = next
        }
    }
}
