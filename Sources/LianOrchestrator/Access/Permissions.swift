import LianModel

/// What can be asked of the API with a token.
package enum Operation: String, CaseIterable, Sendable {
    case spawnRunner, listRunners, showRunner, destroyRunner, heartbeat, keepVolume
    case listVolumes, deleteVolume
    case readHistory, recordMetrics
    case listBuilds, showOverview, readMeters
    case showPage, showBuild
}

/// Who may do what. It is asked in one place, before anything is done.
package enum Permissions {
    /// An operation without a line here is denied to all.
    private static let roles: [Operation: Set<Token.Role>] = [
        .spawnRunner: [.build, .admin],
        .listRunners: [.read, .admin],
        .showRunner: [.build, .read, .admin],
        .destroyRunner: [.build, .admin],
        .heartbeat: [.build, .admin],
        .keepVolume: [.build, .admin],
        .listVolumes: [.read, .admin],
        .deleteVolume: [.admin],
        .readHistory: [.build, .read, .admin],
        .recordMetrics: [.build, .admin],
        .listBuilds: [.read, .admin],
        .showOverview: [.read, .admin],
        .readMeters: [.read, .admin],
        .showPage: [.read, .admin],
        .showBuild: [.read, .admin],
    ]

    /// What an operation is done to.
    package enum Subject: Sendable {
        /// All that the token may see.
        case whatItSees
        case workspace(String)
        /// A runner, by its workspace and by the name of the token that spawned it; nil where there is none by that id.
        case runner(workspace: String?, spawnedBy: String?)
        case newRunner(SpawnRequest)
        /// A build, by its workspace, whether or not there is one.
        case build(workspace: String)
    }

    package enum Decision: Equatable, Sendable {
        case allowed
        case forbidden(String)
        /// It is answered as what never was.
        case hidden
    }

    /// Whether the token's role may do this at all; nil where it may.
    package static func refusal(of operation: Operation, by token: Token) -> String? {
        if roles[operation]?.contains(token.role) == true { return nil }
        return "the token '\(token.name)' has the role '\(token.role.rawValue)', which may not do this"
    }

    package static func decide(_ operation: Operation, on subject: Subject, by token: Token) -> Decision {
        if let refusal = refusal(of: operation, by: token) { return .forbidden(refusal) }
        switch subject {
        case .whatItSees: return .allowed
        case .workspace(let workspace):
            return token.sees(workspace) ? .allowed : .forbidden(beyond(token, "workspace '\(workspace)'"))
        case .runner(let workspace, let spawner):
            guard workspace.map(token.sees) == true else { return .hidden }
            if token.role != .read, !token.may(.ci), token.name != spawner {
                return .forbidden(beyond(token, "runners that others have spawned, without the layer 'ci'"))
            }
            return .allowed
        case .build(let workspace): return token.sees(workspace) ? .allowed : .hidden
        case .newRunner(let request):
            return refusal(of: request, by: token).map(Decision.forbidden) ?? .allowed
        }
    }

    private static func refusal(of request: SpawnRequest, by token: Token) -> String? {
        guard token.sees(request.workspace) else { return beyond(token, "workspace '\(request.workspace)'") }
        guard let volume = request.volume else { return nil }
        if let name = volume.to, !token.may(name.layer) {
            return beyond(token, "volumes of the layer '\(name.layer.rawValue)'")
        }
        for name in volume.from {
            // What CI trusts never begins with what a session wrote, whatever becomes of the runner.
            if name.layer == .dev, !token.may(.dev) { return beyond(token, "volumes of the layer 'dev'") }
            if !token.sees(aWorkspaceOf: name) { return beyond(token, "the volume '\(name)'") }
        }
        return nil
    }

    private static func beyond(_ token: Token, _ what: String) -> String {
        "the token '\(token.name)' is not for \(what)"
    }
}

extension VolumeName {
    fileprivate var layer: Token.Layer { isOfCI ? .ci : .dev }
}

extension Token {
    /// A session's volume is called ACTOR-WORKSPACE, and each may have hyphens: that its own workspace is seen is looked
    /// at once more where it is lent.
    fileprivate func sees(aWorkspaceOf name: VolumeName) -> Bool { name.possibleWorkspaces.contains(where: sees) }
}
