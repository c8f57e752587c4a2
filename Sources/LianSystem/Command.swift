import CLinux
import Glibc

/// A program to run: its path and its arguments are never read as a shell's language.
package struct Command: Sendable {
    package var executable: String
    package var arguments: [String]
    package var environment: [String: String]
    package var workingDirectory: String?
    /// The most memory it may map, in bytes.
    package var addressSpaceLimit: UInt?

    package init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String],
        workingDirectory: String? = nil, addressSpaceLimit: UInt? = nil
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.addressSpaceLimit = addressSpaceLimit
    }
}

/// The first executable file of that name on the PATH; a name with a slash is a path.
package func findExecutable(_ name: String, path: String?) -> String? {
    if name.contains("/") { return isExecutableFile(name) ? name : nil }
    for folder in (path ?? "").split(separator: ":") where folder.hasPrefix("/") {
        let candidate = "\(folder)/\(name)"
        if isExecutableFile(candidate) { return candidate }
    }
    return nil
}

private func isExecutableFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
}

/// The three standard descriptors of a child; nil is /dev/null.
package struct StandardStreams: Sendable {
    package var input: Int32?
    package var output: Int32?
    package var error: Int32?

    package init(input: Int32? = nil, output: Int32? = nil, error: Int32? = nil) {
        self.input = input
        self.output = output
        self.error = error
    }
}

/// Starts the command as the leader of a process group of its own (of a session, where asked), with every signal
/// back at its default and unblocked, and with no descriptor but the three. Returns its pid; the caller reaps it.
package func spawnChild(
    _ command: Command, streams: StandardStreams, newSession: Bool = false
) throws(SystemError) -> pid_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var every = sigset_t()
    sigfillset(&every)
    var none = sigset_t()
    sigemptyset(&none)
    // Threads of Swift's pool may have signals blocked, and libraries ignore SIGPIPE: children would inherit both.
    posix_spawnattr_setsigdefault(&attributes, &every)
    posix_spawnattr_setsigmask(&attributes, &none)
    var flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
    if newSession {
        flags |= lian_spawn_setsid
    } else {
        flags |= POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setpgroup(&attributes, 0)
    }
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, source) in [(0, streams.input), (1, streams.output), (2, streams.error)] as [(Int32, Int32?)] {
        if let source {
            // dup2 onto itself would keep close-on-exec set; the C library clears it in that case.
            posix_spawn_file_actions_adddup2(&actions, source, target)
        } else {
            posix_spawn_file_actions_addopen(
                &actions, target, "/dev/null", target == 0 ? O_RDONLY : O_WRONLY, 0)
        }
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    if let folder = command.workingDirectory {
        posix_spawn_file_actions_addchdir_np(&actions, folder)
    }

    let arguments = argumentsWithinLimit(command)
    let environment = command.environment.map { "\($0.key)=\($0.value)" }
    var pid: pid_t = 0
    let result = withCStrings(arguments) { argv in
        withCStrings(environment) { envp in
            startWhenClosedForWriting { posix_spawn(&pid, arguments[0], &actions, &attributes, argv, envp) }
        }
    }
    guard result == 0 else { throw SystemError("posix_spawn \(command.executable)", result) }
    // Set from outside just after the start: what matters is what the child opens later.
    DescriptorLimit.lower(of: pid)
    return pid
}

/// A program that was just written is still open for writing in a child that another thread is starting at this moment,
/// until that child becomes its own program. The kernel does not run it before (ETXTBSY).
private func startWhenClosedForWriting(_ start: () -> Int32) -> Int32 {
    let end = ContinuousClock.now + .seconds(5)
    var result = start()
    while result == ETXTBSY, ContinuousClock.now < end {
        usleep(1000)
        result = start()
    }
    return result
}

/// A limit of memory is set by a shell that then becomes the program, which so never runs without it.
private func argumentsWithinLimit(_ command: Command) -> [String] {
    let plain = [command.executable] + command.arguments
    guard let bytes = command.addressSpaceLimit else { return plain }
    return ["/bin/sh", "-c", #"ulimit -v "$0" && exec "$@""#, String(bytes / 1024)] + plain
}

private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
}
