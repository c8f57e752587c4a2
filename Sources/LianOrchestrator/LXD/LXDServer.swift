import LianHTTP
import LianModel
import LianSystem

/// A cluster of LXD or Incus, spoken to by its REST API. Every call has a limit: a cluster without quorum never answers.
struct LXDServer: Sendable {
    /// What it calls its own headers and keys.
    enum Flavor: Sendable { case lxd, incus }

    struct Answer: Sendable {
        let metadata: JSONValue
        /// The id of what goes on in the background.
        let operation: String?
    }

    private let http: HTTPClient
    private let places: Guarded<[HTTPRequest]>
    private let project: String?
    /// The member that answered last is asked first.
    private let first = Guarded(0)

    static let limit: Duration = .seconds(10)
    private static let connectLimit: Duration = .seconds(3)
    /// A list of a thousand instances has about 10 MiB.
    private static let bodyLimit = 32 << 20

    init(_ config: LXDConfig, key: [UInt8]) throws(ProviderError) {
        project = config.project
        do {
            http = try HTTPClient()
        } catch {
            throw ProviderError("\(error)")
        }
        places = Guarded(try Self.places(config, key: key))
    }

    /// By the certificate and the key as they are now: the cluster may have ceased to trust those of before.
    func renew(_ config: LXDConfig, key: [UInt8]) throws(ProviderError) {
        places.set(try Self.places(config, key: key))
    }

    /// A request to each member, but for what it asks.
    private static func places(_ config: LXDConfig, key: [UInt8]) throws(ProviderError) -> [HTTPRequest] {
        do {
            switch config.door {
            case .socket(let path):
                var place = HTTPRequest(.get, try HTTPURL("http://lxd"), "")
                place.unixSocket = path
                return [place]
            case .network(let network):
                let identity = ClientIdentity(
                    certificate: try readFile(network.certificate, limit: 1 << 20), key: key)
                let pin: PinnedKey
                do throws(UnusableAuthorities) {
                    pin = try PinnedKey(certificateFile: network.serverCertificate)
                } catch {
                    throw ProviderError("server_certificate \(network.serverCertificate) \(error.reason)")
                }
                return network.endpoints.map { endpoint in
                    var place = HTTPRequest(.get, endpoint, "")
                    place.identity = identity
                    place.pinnedKey = pin
                    return place
                }
            }
        } catch let error as FileReadFailure {
            throw ProviderError("the cluster's client_certificate cannot be read: \(error.reason)")
        } catch let error as ProviderError {
            throw error
        } catch {
            throw ProviderError("\(error)")
        }
    }

    /// Asks once, one member after the other until one takes the question. `path` begins behind /1.0; the values of the
    /// query are encoded here.
    func ask(
        _ method: HTTPRequest.Method = .get, _ path: String, _ query: [String: String] = [:], body: JSONValue? = nil,
        within limit: Duration = LXDServer.limit
    ) throws(LXDFailure) -> Answer {
        let answer = try send(method, path, query, body: body?.encodedBytes() ?? [], within: limit)
        guard let json = try? JSONValue.parse(answer.body), let kind = json["type"]?.stringValue else {
            throw LXDFailure(.refused(answer.status), "status \(answer.status) without an answer in JSON")
        }
        if kind == "error" {
            let status = json["error_code"]?.intValue ?? answer.status
            throw LXDFailure(.refused(status), onOneLine(json["error"]?.stringValue ?? "no reason"))
        }
        let operation = kind == "async" ? json["metadata"]?["id"]?.stringValue : nil
        return Answer(metadata: json["metadata"] ?? .null, operation: operation)
    }

    /// What the cluster tells of it; nil where there is no such thing.
    func askIfThere(_ path: String) throws(LXDFailure) -> JSONValue? {
        do {
            return try ask(.get, path).metadata
        } catch {
            if error.isUnknown { return nil }
            throw error
        }
    }

    /// The text of a file in an instance; nil where there is none.
    func file(_ path: String, of instance: String) throws(LXDFailure) -> String? {
        let answer = try send(
            .get, "/instances/\(percentEncoded(instance))/files", ["path": path], body: [], within: Self.limit)
        switch answer.status {
        case 200: return String(decoding: answer.body, as: UTF8.self)
        case 404: return nil
        default: throw LXDFailure(.refused(answer.status), "\(path) of \(instance) cannot be read")
        }
    }

    /// Waits for what goes on in the background to end, for `limit` at most; false where it still goes on then.
    func wait(for operation: String, atMost limit: Duration) throws(LXDFailure) -> Bool {
        let seconds = max(1, limit.milliseconds / 1000)
        let answer = try ask(
            .get, "/operations/\(percentEncoded(operation))/wait", ["timeout": String(seconds)],
            within: limit + Self.limit)
        switch answer.metadata["status_code"]?.intValue {
        case 200: return true
        case 400, 401: throw LXDFailure(.refused(400), onOneLine(answer.metadata["err"]?.stringValue ?? "no reason"))
        default: return false
        }
    }

    /// What has to count as the runner's, of the project that runners are made in. Names are asked for because nothing
    /// else is told of instances whose member does not answer.
    func instances(of marks: Marks) throws(LXDFailure) -> [LXDInstance] {
        let both =
            "config.\(LXDInstance.Key.orchestrator) eq \(marks.orchestrator) and "
            + "config.\(LXDInstance.Key.runner) eq \(marks.runner)"
        let names = LXDInstance.names(of: marks.runner).map { "name eq \($0)" }
        let filter = ([both] + names).joined(separator: " or ")
        let list = try ask(.get, "/instances", ["recursion": "1", "filter": filter]).metadata.arrayValue ?? []
        return list.compactMap(LXDInstance.init).filter { $0.mayBe(of: marks) }
    }

    private func send(
        _ method: HTTPRequest.Method, _ path: String, _ query: [String: String], body: [UInt8], within limit: Duration
    ) throws(LXDFailure) -> HTTPResponse {
        var query = query
        // What is asked for in all projects must not be asked for in one.
        if query["all-projects"] == nil { query["project"] = project }
        let target = "/1.0\(path)\(urlQuery(query))"
        let end = ContinuousClock.now + limit
        let start = first.value
        let places = places.value
        var problem = LXDFailure(.unreachable, "no member was asked")
        for offset in places.indices {
            let index = (start + offset) % places.count
            let left = end - .now
            guard left > .zero else { break }
            var request = places[index]
            request.method = method
            request.target = target
            request.body = body
            request.timeout = left
            request.connectTimeout = min(Self.connectLimit, left)
            request.bodyLimit = Self.bodyLimit
            request.needsFreshConnection = method != .get
            do {
                let response = try http.sendAndWait(request)
                first.set(index)
                return response
            } catch {
                let kind: LXDFailure.Kind =
                    error.kind == .certificateRefused ? .stranger : error.neverArrived ? .unreachable : .unanswered
                problem = LXDFailure(kind, "\(name(of: request)): \(error)")
                // The next call begins with another member, whatever ails this one.
                first.set((index + 1) % places.count)
                guard error.neverArrived else { break }
            }
        }
        throw problem
    }

    private func name(of request: HTTPRequest) -> String { request.unixSocket ?? request.server.description }
}

/// Why the cluster did not do what it was asked for.
struct LXDFailure: Error, CustomStringConvertible, Sendable {
    enum Kind: Equatable, Sendable {
        /// No member has heard of it.
        case unreachable
        /// Who answers is not the cluster.
        case stranger
        /// A member may have done it, or does it still.
        case unanswered
        case refused(Int)
    }

    let kind: Kind
    let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// The cluster has a say in it.
    var isRefusal: Bool { if case .refused = kind { true } else { false } }
    var isUnknown: Bool { kind == .refused(404) }

    func tells(_ words: String) -> Bool { description.contains(words) }

    /// The member that was to do it does not answer the others.
    var tellsOfALostMember: Bool { tells("Missing event connection") || tells("Unable to connect to") }
}
