/// One stable word per cause of an error. Callers match on these: a code is added, never renamed.
package enum CloacinaCode: String, CaseIterable, Sendable {
    // The request.
    case invalidArgument = "invalid_argument"
    case fileUnreadable = "file_unreadable"
    case fileExists = "file_exists"
    case notAFolder = "not_a_folder"
    case writeFailed = "write_failed"

    // The project's files.
    case manifestMissing = "manifest_missing"
    case manifestInvalid = "manifest_invalid"
    case nameInvalid = "name_invalid"
    case versionInvalid = "version_invalid"
    case runtimeUnknown = "runtime_unknown"
    case runtimeMismatch = "runtime_mismatch"
    case metadataUnknownKey = "metadata_unknown_key"
    case languageAmbiguous = "language_ambiguous"
    case languageUnknown = "language_unknown"
    case layoutInvalid = "layout_invalid"
    case entryModuleMissing = "entry_module_missing"
    case stdlibShadowed = "stdlib_shadowed"
    case cargoPlaceholder = "cargo_placeholder"
    case graphNameMissing = "graph_name_missing"
    case cronTriggerSubscribed = "cron_trigger_subscribed"
    case symlinkOutside = "symlink_outside"
    case symlinkDirectory = "symlink_directory"
    case symlinkBroken = "symlink_broken"
    case specialFile = "special_file"
    case pathNotUTF8 = "path_not_utf8"
    case sourceChanged = "source_changed"

    // Cargo.
    case cargoTomlMissing = "cargo_toml_missing"
    case cargoTomlInvalid = "cargo_toml_invalid"
    case crateTypeMissing = "crate_type_missing"
    case cargoMissing = "cargo_missing"
    case cargoFailed = "cargo_failed"
    case libraryMissing = "library_missing"

    // A build on a runner.
    case remoteInvalid = "remote_invalid"
    case remoteFailed = "remote_failed"
    case lianBuildMissing = "lian_build_missing"
    case lianBuildFailed = "lian_build_failed"

    // Archives.
    case archiveFormat = "archive_format"
    case archiveTruncated = "archive_truncated"
    case archiveCorrupt = "archive_corrupt"
    case archiveTooLarge = "archive_too_large"
    case archiveTooManyEntries = "archive_too_many_entries"
    case archiveSymlink = "archive_symlink"
    case archiveHardlink = "archive_hardlink"
    case archiveSpecial = "archive_special"
    case archiveAbsolutePath = "archive_absolute_path"
    case archivePathTraversal = "archive_path_traversal"
    case archiveDuplicate = "archive_duplicate"
    case archiveNoManifest = "archive_no_manifest"
    case archiveSeveralPackages = "archive_several_packages"
    case archiveStrayEntries = "archive_stray_entries"
    case archiveOverLimit = "archive_over_limit"

    // Libraries.
    case libraryCorrupt = "library_corrupt"
    case libraryNotLoaded = "library_not_loaded"
    case libraryCrashed = "library_crashed"

    // Signatures and keys.
    case signatureMissing = "signature_missing"
    case signatureMalformed = "signature_malformed"
    case signatureUnsupported = "signature_unsupported"
    case signatureHashMismatch = "signature_hash_mismatch"
    case signatureUntrustedKey = "signature_untrusted_key"
    case signatureInvalid = "signature_invalid"
    case fingerprintMismatch = "fingerprint_mismatch"
    case keyMissing = "key_missing"
    case keyInvalid = "key_invalid"
    case keyEncrypted = "key_encrypted"

    // The server and its configuration.
    case configInvalid = "config_invalid"
    case profileUnknown = "profile_unknown"
    case serverMissing = "server_missing"
    case apiKeyMissing = "api_key_missing"
    case keyNotForServer = "key_not_for_server"
    case keyringUnsupported = "keyring_unsupported"
    case serverUnreachable = "server_unreachable"
    case authRefused = "auth_refused"
    case notFound = "not_found"
    case archiveTooLargeForServer = "archive_too_large_for_server"
    case uploadRefused = "upload_refused"
    case serverFailed = "server_failed"
    case serverAnswerInvalid = "server_answer_invalid"
    case serverRedirect = "server_redirect"

    // Python.
    case pythonMissing = "python_missing"
    case pythonFailed = "python_failed"
    case pythonTooOld = "python_too_old"
    case pythonSyntax = "python_syntax"
    case pyprojectMissing = "pyproject_missing"
    case pyprojectInvalid = "pyproject_invalid"
    case pyprojectFieldMissing = "pyproject_field_missing"
    case targetUnsupported = "target_unsupported"
    case noTasks = "no_tasks"
    case asyncTask = "async_task"
    case taskInvalid = "task_invalid"
    case taskDuplicate = "task_duplicate"
    case taskDependencyUnknown = "task_dependency_unknown"
    case taskCycle = "task_cycle"

    // The dependencies of a Python project.
    case dependencyUnsupported = "dependency_unsupported"
    case dependencyUnresolved = "dependency_unresolved"
    case sdistOnly = "sdist_only"
    case downloadFailed = "download_failed"
    case hashMismatch = "hash_mismatch"
    case vendorConflict = "vendor_conflict"
    case pipMissing = "pip_missing"

    // The end of the whole.
    case timedOut = "timed_out"
    case cancelled
    case internalError = "internal_error"
}

extension CloacinaCode {
    /// The process's exit status for this cause; a cancelled command exits by its signal instead.
    package var exitStatus: Int32 {
        switch self {
        case .cargoFailed, .archiveFormat, .archiveTruncated, .archiveCorrupt, .archiveTooLarge,
            .archiveTooManyEntries, .archiveSymlink, .archiveHardlink, .archiveSpecial, .archiveAbsolutePath,
            .archivePathTraversal, .archiveDuplicate, .archiveNoManifest, .archiveSeveralPackages,
            .archiveStrayEntries, .archiveOverLimit, .libraryCorrupt, .libraryNotLoaded, .libraryCrashed,
            .signatureMissing, .signatureMalformed, .signatureUnsupported,
            .signatureHashMismatch, .signatureUntrustedKey, .signatureInvalid, .fingerprintMismatch, .sourceChanged,
            .dependencyUnresolved, .sdistOnly, .downloadFailed, .hashMismatch, .vendorConflict:
            1
        case .invalidArgument, .fileUnreadable, .fileExists, .notAFolder, .writeFailed, .manifestMissing,
            .manifestInvalid, .nameInvalid, .versionInvalid, .runtimeUnknown, .runtimeMismatch, .metadataUnknownKey,
            .languageAmbiguous, .languageUnknown, .layoutInvalid, .entryModuleMissing, .stdlibShadowed,
            .cargoPlaceholder, .graphNameMissing, .cronTriggerSubscribed, .symlinkOutside, .symlinkDirectory,
            .symlinkBroken, .specialFile, .pathNotUTF8, .cargoTomlMissing, .cargoTomlInvalid, .crateTypeMissing,
            .libraryMissing, .keyMissing, .keyInvalid, .keyEncrypted, .configInvalid, .profileUnknown, .serverMissing,
            .apiKeyMissing, .keyNotForServer, .keyringUnsupported, .pythonSyntax, .pyprojectMissing, .pyprojectInvalid,
            .pyprojectFieldMissing, .targetUnsupported, .noTasks, .asyncTask, .taskInvalid, .taskDuplicate,
            .taskDependencyUnknown, .taskCycle, .dependencyUnsupported, .remoteInvalid:
            2
        case .serverUnreachable, .authRefused, .notFound, .archiveTooLargeForServer, .uploadRefused, .serverFailed,
            .serverAnswerInvalid, .serverRedirect, .remoteFailed:
            3
        case .cargoMissing, .pythonMissing, .pythonFailed, .pythonTooOld, .pipMissing, .lianBuildMissing,
            .lianBuildFailed:
            4
        case .timedOut: 6
        case .internalError: 70
        case .cancelled: 130
        }
    }
}

/// One stable word per cause of a warning, as with the errors.
package enum CloacinaWarningCode: String, CaseIterable, Sendable {
    // What is packed.
    case secretLikeFile = "secret_like_file"
    case packageSigNotChecked = "package_sig_not_checked"
    case notForHosts = "not_for_hosts"
    case archiveOverLimit = "archive_over_limit"

    // The crate.
    case rlibMissing = "rlib_missing"
    case featureMissing = "feature_missing"
    case fullCrate = "full_crate"
    case minimalCrate = "minimal_crate"

    // What is read.
    case trailingBytes = "trailing_bytes"
    case tasksUnknown = "tasks_unknown"
    case runsLibraryCode = "runs_library_code"

    // A Python project.
    case bareDecorator = "bare_decorator"
    case notLiteral = "not_literal"
    case legacyFormat = "legacy_format"
    case markersOfThisMachine = "markers_of_this_machine"

    // Keys and servers.
    case keyUnsafeMode = "key_unsafe_mode"
    case secretOnCommandLine = "secret_on_command_line"
    case serverInClear = "server_in_clear"
}

/// Something that the package's author should know although the command did its work.
package struct CloacinaWarning: Equatable, Sendable {
    package let code: CloacinaWarningCode
    package let message: String

    package init(_ code: CloacinaWarningCode, _ message: String) {
        self.code = code
        self.message = message
    }
}
