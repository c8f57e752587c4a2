/// One stable word per cause of a warning. Callers match on these: a code is added, never renamed. Each has a place in
/// docs/errors.md.
package enum WarningCode: String, CaseIterable, Sendable {
    // What was asked for.
    case flagOverridden = "flag_overridden"
    case buildArgUnset = "build_arg_unset"
    case imageOverwritten = "image_overwritten"
    case seedOnCommandLine = "seed_on_command_line"
    case tokenInClear = "token_in_clear"
    case natsKeyWithheld = "nats_key_withheld"
    case credentialUnavailable = "credential_unavailable"
    case historyUnavailable = "history_unavailable"

    // The context.
    case contextEnvFile = "context_env_file"
    case contextGitFolder = "context_git_folder"
    case contextPrivateKey = "context_private_key"
    case contextSpecialFile = "context_special_file"
    case ignoreFileUnused = "ignore_file_unused"

    // The runner and the build on it.
    case heartbeatUnsupported = "heartbeat_unsupported"
    case heartbeatMissed = "heartbeat_missed"
    case emulated
    case usageNotMeasured = "usage_not_measured"
    case cacheLastStageOnly = "cache_last_stage_only"
    case cacheNotWritten = "cache_not_written"
    case volumeCold = "volume_cold"
    case volumeNotKept = "volume_not_kept"
    case runnerNotDestroyed = "runner_not_destroyed"

    // What is reported about the build.
    case metricsNotRecorded = "metrics_not_recorded"
    case metadataNotWritten = "metadata_not_written"
    case reportNotWritten = "report_not_written"
    case traceNotSent = "trace_not_sent"
    case eventsUnavailable = "events_unavailable"
    case eventsKeyInvalid = "events_key_invalid"
    case eventsURLInvalid = "events_url_invalid"
    case eventRefused = "event_refused"
    case eventsUnconfirmed = "events_unconfirmed"
    case eventsDropped = "events_dropped"
}
