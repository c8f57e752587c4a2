import LianHTTP
import LianModel
import LianSystem

/// Proxmox VE's API, by the node which answers at the endpoint.
final class ProxmoxAPI: Sendable {
    private let http: CloudHTTP
    private let token: Guarded<Token>

    private static let root = "/api2/json"
    private static let bodyLimit = 32 << 20

    private struct Token: Sendable {
        let text: String

        /// `USER@REALM!NAME`, whose tasks are ours.
        var id: String { String(text.prefix { $0 != "=" }) }

        init(_ bytes: [UInt8]) throws(ProviderError) {
            text = String(decoding: bytes, as: UTF8.self).trimmingLineEnd()
            guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), text.contains("="), id.contains("!"),
                id.contains("@")
            else {
                throw ProviderError("the cluster's token is not one line like USER@REALM!NAME=SECRET")
            }
        }
    }

    init(_ config: ProxmoxConfig, token: [UInt8]) throws(ProviderError) {
        self.token = Guarded(try Token(token))
        let pin: PinnedKey?
        do throws(UnusableAuthorities) {
            pin = try config.serverCertificate.map { (file) throws(UnusableAuthorities) in
                try PinnedKey(certificateFile: file)
            }
        } catch {
            throw ProviderError("server_certificate \(config.serverCertificate ?? "") \(error.reason)")
        }
        http = try CloudHTTP(config.endpoint, pin: pin, bodyLimit: Self.bodyLimit)
    }

    /// Goes on with another token.
    func renew(token: [UInt8]) throws(ProviderError) { self.token.set(try Token(token)) }

    /// Whether a task of that user's is of this token.
    func isOwn(_ user: String) -> Bool {
        let id = token.value.id
        return user == id || id.hasPrefix("\(user)!")
    }

    /// Asks once, and returns the answer's data. The values of the fields are encoded here.
    func ask(
        _ method: HTTPRequest.Method = .get, _ path: String, _ fields: [String: JSONValue] = [:]
    ) throws(ProxmoxFailure) -> JSONValue {
        var target = Self.root + path
        let isQuery = method == .get || method == .delete
        if isQuery { target += urlQuery(fields.mapValues { $0.stringValue ?? $0.encoded() }) }
        // nil would be JSON's null here, which is a body.
        let body: JSONValue? = isQuery || fields.isEmpty ? .none : .object(fields)
        let response: HTTPResponse
        do {
            response = try http.ask(
                method, target, authorization: "PVEAPIToken=\(token.value.text)", body: body)
        } catch {
            let kind: ProxmoxFailure.Kind =
                error.kind == .certificateRefused ? .stranger : error.neverArrived ? .unreachable : .unanswered
            throw ProxmoxFailure(kind, "\(http.endpoint): \(error)")
        }
        let json = try? JSONValue.parse(response.body)
        guard (200...299).contains(response.status) else {
            throw ProxmoxFailure(.refused(response.status), Self.words(of: response, json))
        }
        guard let data = json?["data"] else {
            throw ProxmoxFailure(.unanswered, "\(http.endpoint): status \(response.status) without an answer in JSON")
        }
        return data
    }

    /// Older versions say why in the line of the status alone.
    private static func words(of response: HTTPResponse, _ json: JSONValue?) -> String {
        let errors = (json?["errors"]?.objectValue ?? [:]).sorted { $0.key < $1.key }.map { name, value in
            "\(name): \(value.stringValue ?? value.encoded())"
        }
        let message = json?["message"]?.stringValue ?? response.reason
        let words = ([message.trimmingLineEnd()] + errors.map { $0.trimmingLineEnd() }).filter { !$0.isEmpty }
        return words.isEmpty ? "status \(response.status) without a reason" : onOneLine(words.joined(separator: "; "))
    }

    /// Has something done that goes on in the background, and waits for its end; throws why it failed.
    func wait(
        for task: JSONValue, until end: ContinuousClock.Instant, while isWanted: () -> Bool = { true }
    ) throws(ProxmoxFailure) {
        let exit = try patiently(until: end, while: isWanted) { () throws(ProxmoxFailure) in
            let state = try state(of: task.stringValue ?? "")
            guard state["status"] == "stopped" else {
                throw ProxmoxFailure(.unanswered, "the task \(state["type"]?.stringValue ?? "") goes on")
            }
            return state["exitstatus"]?.stringValue ?? "no reason"
        }
        guard exit == "OK" || exit.hasPrefix("WARNINGS") else { throw ProxmoxFailure(.failed, onOneLine(exit)) }
    }

    func isRunning(_ task: String) throws(ProxmoxFailure) -> Bool { try state(of: task)["status"] != "stopped" }

    /// A task's id begins with UPID:NODE:.
    private func state(of task: String) throws(ProxmoxFailure) -> JSONValue {
        let parts = task.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 2, parts[0] == "UPID" else {
            throw ProxmoxFailure(.unanswered, "\(http.endpoint): '\(onOneLine(task))' is no task")
        }
        return try ask(.get, "/nodes/\(percentEncoded(String(parts[1])))/tasks/\(percentEncoded(task))/status")
    }
}

/// Why the cluster did not do what it was asked for. Proxmox tells most of it by words alone.
struct ProxmoxFailure: CloudFailure {
    enum Kind: Equatable, Sendable {
        /// It has not heard of it.
        case unreachable
        /// Who answers is not the cluster.
        case stranger
        /// It may have done it, or does it still.
        case unanswered
        /// By its status.
        case refused(Int)
        /// The task came to a bad end.
        case failed
        /// There is no room.
        case full
        /// It has not what the configuration names.
        case lacking
    }

    let kind: Kind
    let pause = Duration.zero
    private let words: String

    init(_ kind: Kind, _ words: String) {
        self.kind = kind
        self.words = words
    }

    private var status: Int { if case .refused(let status) = kind { status } else { 0 } }
    private var isSaidByTheCluster: Bool { status > 0 || kind == .failed }

    private func tells(_ signs: [String]) -> Bool {
        let words = words.lowercased()
        return signs.contains(where: words.contains)
    }

    /// It may have been done all the same: of a node that stopped to answer the one which was asked.
    var isUnclear: Bool { kind == .unanswered || (596...599).contains(status) }
    var isNameTaken: Bool { isSaidByTheCluster && tells(["already exists"]) }
    /// Of what was to be started, or to be stopped.
    var isDoneAlready: Bool { isSaidByTheCluster && tells(["already running", "not running"]) }
    /// A node does not answer the one which was asked.
    var isOfTheNode: Bool { (595...599).contains(status) || kind == .unanswered }
    /// The virtual machine is not there.
    var isUnknown: Bool { isSaidByTheCluster && tells(["does not exist", "no such vm"]) }
    var isForbidden: Bool { status == 403 }

    var isNoRoom: Bool {
        kind == .full
            || isSaidByTheCluster
                && tells(["no space left", "not enough", "out of space", "insufficient", "cannot allocate memory"])
    }

    var mayPass: Bool {
        switch kind {
        case .unreachable, .unanswered: true
        case .stranger, .full, .lacking: false
        case .refused(let status) where status >= 595: true
        case .refused, .failed: !isNoRoom && tells(["got timeout", "locked", "can't lock", "no quorum", "not running"])
        }
    }

    var description: String {
        switch kind {
        case .refused(401):
            "it refuses the token (\(words)): make one by `pveum user token add USER@REALM NAME`, put it where 'token' says, "
                + "and send SIGHUP"
        case .refused(403):
            "the token may not do that (\(words)): docs/providers.md has the rights that it needs"
        case .stranger:
            "\(words): put the certificate that the node shows, /etc/pve/local/pve-ssl.pem there, where "
                + "'server_certificate' says"
        default: words
        }
    }
}
