import LianModel

/// The thing that a path names.
enum Resource {
    case health, runners, runner(String), heartbeat(String), keep(String), volumes, volume(String)
    case p95(String), metrics(String)
    case builds, overview, meters
    case file(PageFile), overviewPart, buildsPart, buildPart

    init?(_ path: [String]) {
        switch path.count {
        case 1 where path == ["healthz"]: self = .health
        case 3 where path == ["api", "v1", "runners"]: self = .runners
        case 4 where path[..<3] == ["api", "v1", "runners"]: self = .runner(path[3])
        case 5 where path[..<3] == ["api", "v1", "runners"] && path[4] == "heartbeat": self = .heartbeat(path[3])
        case 5 where path[..<3] == ["api", "v1", "runners"] && path[4] == "keep": self = .keep(path[3])
        case 3 where path == ["api", "v1", "volumes"]: self = .volumes
        case 4 where path[..<3] == ["api", "v1", "volumes"]: self = .volume(path[3])
        case 5 where path[..<3] == ["api", "v1", "workspaces"] && path[4] == "p95": self = .p95(path[3])
        case 5 where path[..<3] == ["api", "v1", "workspaces"] && path[4] == "metrics": self = .metrics(path[3])
        case 3 where path == ["api", "v1", "builds"]: self = .builds
        case 3 where path == ["api", "v1", "overview"]: self = .overview
        case 1 where path == ["metrics"]: self = .meters
        case 2 where path == ["parts", "overview"]: self = .overviewPart
        case 2 where path == ["parts", "builds"]: self = .buildsPart
        case 2 where path == ["parts", "build"]: self = .buildPart
        case 1:
            guard let file = PageFile(rawValue: path[0]) else { return nil }
            self = .file(file)
        default: return nil
        }
    }

    var methods: [String] {
        switch self {
        case .health, .p95, .volumes, .builds, .overview, .meters: ["GET"]
        case .file, .overviewPart, .buildsPart, .buildPart: ["GET"]
        case .runners: ["GET", "POST"]
        case .runner: ["DELETE", "GET"]
        case .volume: ["DELETE"]
        case .heartbeat, .keep, .metrics: ["POST"]
        }
    }
}

extension Resource {
    /// What is asked of it by the method; nil where that needs no token.
    func operation(_ method: String) -> Operation? {
        switch self {
        case .health, .file: nil
        case .runners: method == "POST" ? .spawnRunner : .listRunners
        case .runner: method == "DELETE" ? .destroyRunner : .showRunner
        case .heartbeat: .heartbeat
        case .keep: .keepVolume
        case .volumes: .listVolumes
        case .volume: .deleteVolume
        case .p95: .readHistory
        case .metrics: .recordMetrics
        case .builds: .listBuilds
        case .overview: .showOverview
        case .meters: .readMeters
        case .overviewPart, .buildsPart: .showPage
        case .buildPart: .showBuild
        }
    }
}

/// A request that was understood: what is to be done, with everything that it needs.
enum Call: Sendable {
    case health
    case spawn(SpawnRequest, key: String)
    case listRunners(workspace: String?)
    case showRunner(String, wait: Duration)
    case destroyRunner(String)
    case heartbeat(String)
    case keep(String, KeepRequest)
    case listVolumes(workspace: String?)
    case deleteVolume(VolumeName)
    case p95(String)
    case record(MetricsReport, workspace: String)
    case listBuilds(workspace: String?, before: String?, limit: Int)
    case overview
    case meters
    case file(PageFile)
    case overviewPart(known: String?)
    case buildsPart(known: String?)
    case buildPart(String, workspace: String, known: String?)
}

extension Call {
    init(_ request: IncomingRequest, _ resource: Resource, _ query: [(name: String, value: String)]) throws(APIProblem)
    {
        func parameter(_ name: String) throws(APIProblem) -> String? {
            // Given twice, it has two meanings.
            let values = query.filter { $0.name == name }.map(\.value)
            guard values.count <= 1 else { throw .invalid("\(name) is given twice") }
            return values.first
        }
        func wantedWorkspace() throws(APIProblem) -> String? {
            guard let text = try parameter("workspace") else { return nil }
            return try Self.workspace(text)
        }
        switch resource {
        case .health: self = .health
        case .runners where request.method == "POST":
            guard let key = request.idempotencyKey, Self.isIdempotencyKey(key) else {
                throw .invalid(
                    "the header Idempotency-Key is required: 8 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'")
            }
            self = .spawn(try Self.body(of: request, as: SpawnRequest.init), key: key)
        case .runners: self = .listRunners(workspace: try wantedWorkspace())
        case .runner(let id) where request.method == "DELETE": self = .destroyRunner(try Self.runnerID(id))
        case .runner(let id):
            let seconds = try Self.number(parameter("wait"), "wait", in: 0...30) ?? 0
            self = .showRunner(try Self.runnerID(id), wait: .seconds(seconds))
        case .heartbeat(let id): self = .heartbeat(try Self.runnerID(id))
        case .keep(let id):
            let id = try Self.runnerID(id)
            self = .keep(id, try Self.body(of: request, as: KeepRequest.init))
        case .volumes: self = .listVolumes(workspace: try wantedWorkspace())
        case .volume(let text):
            guard let name = VolumeName(text) else { throw .invalid("a volume's name \(VolumeName.rule)") }
            self = .deleteVolume(name)
        case .p95(let workspace): self = .p95(try Self.workspace(workspace))
        case .metrics(let workspace):
            let workspace = try Self.workspace(workspace)
            self = .record(try Self.body(of: request, as: MetricsReport.init), workspace: workspace)
        case .builds:
            self = .listBuilds(
                workspace: try wantedWorkspace(), before: try parameter("before"),
                limit: try Self.number(parameter("limit"), "limit", in: 1...500) ?? 50)
        case .overview: self = .overview
        case .meters: self = .meters
        case .file(let file): self = .file(file)
        case .overviewPart: self = .overviewPart(known: request.ifNoneMatch)
        case .buildsPart: self = .buildsPart(known: request.ifNoneMatch)
        case .buildPart:
            guard let workspace = try wantedWorkspace(), let id = try parameter("id") else {
                throw .invalid("workspace and id of the build are needed")
            }
            self = .buildPart(id, workspace: workspace, known: request.ifNoneMatch)
        }
    }

    private static func body<Body>(
        of request: IncomingRequest, as read: (JSONNode) throws(SchemaViolation) -> Body
    ) throws(APIProblem) -> Body {
        switch request.bodyProblem {
        case .tooLarge: throw .bodyTooLarge
        case .noRoom: throw .noRoom
        case nil: break
        }
        let json: JSONValue
        do {
            json = try JSONValue.parse(request.body)
        } catch {
            throw .invalid("the body is not JSON: \(error)")
        }
        do {
            return try read(JSONNode(json))
        } catch {
            throw .invalid("\(error)")
        }
    }

    private static func number(
        _ text: String?, _ name: String, in range: ClosedRange<Int>
    ) throws(APIProblem) -> Int? {
        guard let text else { return nil }
        guard let number = OutsideNumber.whole(text, in: range) else {
            throw .invalid("\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func runnerID(_ text: String) throws(APIProblem) -> String {
        guard Identifier.isID(text) else {
            throw .invalid("a runner's id is 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")
        }
        return text
    }

    private static func workspace(_ text: String) throws(APIProblem) -> String {
        guard Identifier.isSlug(text) else { throw .invalid("workspace \(Identifier.slugRule)") }
        return text
    }

    private static func isIdempotencyKey(_ text: String) -> Bool {
        (8...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { Identifier.isAlphanumeric($0) || "._:-".utf8.contains($0) }
    }
}
