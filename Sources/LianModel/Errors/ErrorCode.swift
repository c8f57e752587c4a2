/// One stable word per cause. Callers match on these: a code is added, never renamed.
package enum ErrorCode: String, CaseIterable, Sendable {
    // The request is wrong.
    case invalidArgument = "invalid_argument"
    case nickelMissing = "nickel_missing"
    case nickelFailed = "nickel_failed"
    case nickelTimedOut = "nickel_timed_out"
    case nickelOutputTooLarge = "nickel_output_too_large"
    case nickelOutputInvalid = "nickel_output_invalid"
    case directivesInvalid = "directives_invalid"
    case directivesUnreadable = "directives_unreadable"
    case buildSpecInvalid = "build_spec_invalid"
    case contextUnreadable = "context_unreadable"
    case dockerfileMissing = "dockerfile_missing"
    case ignoreFileInvalid = "ignore_file_invalid"
    case sshKeyUnusable = "ssh_key_unusable"
    case cacheForbidden = "cache_forbidden"
    case pathTooLong = "path_too_long"
    case credentialMissing = "credential_missing"
    case vaultUnavailable = "vault_unavailable"
    case orchestratorNotTrusted = "orchestrator_not_trusted"
    case engineUnsupported = "engine_unsupported"
    case outputUnusable = "output_unusable"
    case contextInvalid = "context_invalid"

    // The orchestrator.
    case orchestratorUnreachable = "orchestrator_unreachable"
    case orchestratorRefused = "orchestrator_refused"
    case orchestratorAnswerInvalid = "orchestrator_answer_invalid"
    case spawnRefused = "spawn_refused"
    case noCapacity = "no_capacity"
    case runnerFailed = "runner_failed"
    case runnerNotReady = "runner_not_ready"

    // The runner.
    case hostKeyUnknown = "host_key_unknown"
    case hostKeyMismatch = "host_key_mismatch"
    case sshUnreachable = "ssh_unreachable"
    case sshAuthFailed = "ssh_auth_failed"
    case rsyncMissing = "rsync_missing"
    case contextSyncFailed = "context_sync_failed"
    case connectionLost = "connection_lost"
    case buildctlMissing = "buildctl_missing"
    case engineLost = "engine_lost"
    case noSecretStore = "no_secret_store"
    case remoteFailed = "remote_failed"

    // The build.
    case buildFailed = "build_failed"
    case pushFailed = "push_failed"
    case outputFailed = "output_failed"
    case outOfMemory = "out_of_memory"
    case diskFull = "disk_full"
    case timeBudgetExceeded = "time_budget_exceeded"
    case cancelled

    // The probe.
    case checkFailed = "check_failed"

    // A defect of ours.
    case outputUnwritable = "output_unwritable"
    case internalError = "internal_error"
}

extension ErrorCode {
    /// The process's exit status for this cause; a cancelled build exits by its signal instead.
    package var exitStatus: Int32 {
        switch self {
        case .buildFailed, .pushFailed, .outputFailed, .checkFailed: 1
        case .invalidArgument, .nickelMissing, .nickelFailed, .nickelTimedOut, .nickelOutputTooLarge,
            .nickelOutputInvalid, .directivesInvalid, .directivesUnreadable, .buildSpecInvalid, .contextUnreadable,
            .dockerfileMissing, .ignoreFileInvalid, .sshKeyUnusable, .cacheForbidden, .pathTooLong,
            .credentialMissing, .vaultUnavailable, .orchestratorNotTrusted, .engineUnsupported,
            .outputUnusable, .contextInvalid:
            2
        case .orchestratorUnreachable, .orchestratorRefused, .orchestratorAnswerInvalid, .spawnRefused, .noCapacity,
            .runnerFailed, .runnerNotReady:
            3
        case .hostKeyUnknown, .hostKeyMismatch, .sshUnreachable, .sshAuthFailed, .rsyncMissing, .contextSyncFailed,
            .connectionLost, .buildctlMissing, .engineLost, .noSecretStore, .remoteFailed:
            4
        case .outOfMemory, .diskFull: 5
        case .timeBudgetExceeded: 6
        case .outputUnwritable, .internalError: 70
        case .cancelled: 130
        }
    }
}
