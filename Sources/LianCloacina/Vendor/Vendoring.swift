import LianSystem

/// What came of a project's dependencies.
struct VendoredPackages: Equatable, Sendable {
    /// The content of requirements.lock.
    let lock: String
    let wheels: [Wheel]

    init(_ targets: [PackageTarget], _ wheels: [Wheel]) {
        self.wheels = wheels
        var hashes: [String: Set<String>] = [:]
        for wheel in wheels { hashes[wheel.pin.text, default: []].insert(wheel.sha256) }
        var lines = ["# requirements.lock for \(targets.map(\.rawValue).joined(separator: ", "))"]
        for pin in hashes.keys.sorted() {
            lines.append("\(pin) \\")
            lines.append((hashes[pin] ?? []).sorted().map { "    --hash=sha256:\($0)" }.joined(separator: " \\\n"))
        }
        lock = lines.joined(separator: "\n") + "\n"
    }

    /// The content of VENDORED.txt.
    var list: String { Set(wheels.map { "\($0.pin.text)\n" }).sorted().joined() }
}

/// Brings a project's dependencies into a folder.
struct Vendoring: Sendable {
    let interpreter: PythonInterpreter
    let targets: [PackageTarget]
    let python: PythonVersion
    let tellsAll: Bool
    let surroundings: Surroundings

    /// `scratch` is an empty folder; what is left in it is the caller's to remove.
    func vendor(
        _ dependencies: [String], into folder: String, scratch: String, _ report: inout CloacinaReport
    ) async throws(CloacinaError) -> VendoredPackages {
        var requirements: [Requirement] = []
        for text in dependencies { requirements.append(try Requirement(text)) }
        guard !requirements.isEmpty else { return VendoredPackages(targets, []) }
        let tools = PackageTools(
            interpreter, folder: try made("\(scratch)/empty"), tellsAll: tellsAll, surroundings)
        if tools.uv == nil { warnOfMarkers(&report) }
        var vendor = VendorFolder(folder, stop: surroundings.stop)
        var all: [Wheel] = []
        for target in targets {
            let wanted = WheelTarget(target: target, python: python)
            let own = try made("\(scratch)/\(target.rawValue)")
            let pins = try await Resolver(tools: tools, folder: own).pins(requirements, for: wanted)
            // Where no marker holds, nothing is needed.
            guard !pins.isEmpty else { continue }
            let wheels = try await WheelFetch(tools: tools).wheels(pins, for: wanted, into: try made("\(own)/wheels"))
            // A wheel of several targets is there already.
            let known = Set(all.map(\.sha256))
            vendor = try await onOwnThread { [vendor] in
                Result { () throws(CloacinaError) in
                    var vendor = vendor
                    for wheel in wheels where !known.contains(wheel.sha256) { try vendor.add(wheel) }
                    return vendor
                }
            }.get()
            all += wheels
        }
        let packages = VendoredPackages(targets, all)
        let list = "\(folder)/VENDORED.txt"
        if !all.isEmpty {
            do { try writeFile(list, packages.list, mode: 0o644) } catch { throw .unwritable(list, error) }
        }
        return packages
    }

    private func warnOfMarkers(_ report: inout CloacinaReport) {
        let others = targets.filter { $0.isLinux != PackageTarget.own.isLinux }
        guard !others.isEmpty else { return }
        report.warn(
            .markersOfThisMachine,
            "there is no uv, and pip judges the markers of dependencies by this machine, not by "
                + others.map(\.rawValue).joined(separator: ", "))
    }

    private func made(_ folder: String) throws(CloacinaError) -> String {
        do { try makeFolder(folder) } catch { throw .unwritable(folder, error) }
        return folder
    }
}
