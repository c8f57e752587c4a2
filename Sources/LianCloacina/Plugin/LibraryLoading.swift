import Glibc
import LianModel
import LianSystem

/// Loads a library in a process of its own, which is this program again: what the library does, it does there.
package struct LibraryLoading: Sendable {
    /// As the program is called for that, followed by the library's path. No person types it.
    package static let argument = "load-the-library-of-the-parent"

    private static let time: Duration = .seconds(15)
    private static let processorSeconds: rlim_t = 10
    private static let memory: rlim_t = 4 << 30
    /// What the library's functions print; more ends it.
    private static let mostOutput = 4 << 20

    let surroundings: Surroundings

    package init(_ surroundings: Surroundings) { self.surroundings = surroundings }

    /// What the child says of the library at that path, which is an absolute one.
    package func load(_ path: String, named name: String) async throws(CloacinaError) -> JSONValue {
        let command = Command("/proc/self/exe", [Self.argument, path], environment: [:])
        let result: SubprocessResult
        do throws(SubprocessFailure) {
            result = try await run(command, deadline: Self.time, outputLimit: Self.mostOutput)
        } catch {
            switch error {
            case .timedOut: throw crashed(name, "it did not answer within \(Self.time)")
            case .tooMuchOutput: throw crashed(name, "it printed more than \(Self.mostOutput) bytes")
            case .couldNotStart(let error):
                throw CloacinaError(
                    .internalError, .library, "the process that loads \(name) could not be started: \(error)",
                    hint: "Look at it without --load.")
            case .cancelled: throw surroundings.stop.error ?? crashed(name, "it was not waited for")
            }
        }
        for line in result.errorText.split(separator: "\n") { surroundings.tell(String(line)) }
        if case .signalled(let signal) = result.termination { throw crashed(name, "it ended by \(signalName(signal))") }
        guard let answer = try? JSONValue.parse(result.output) else {
            throw crashed(name, "it ended before it had answered")
        }
        if let reason = answer["failure"]?.stringValue {
            throw CloacinaError(
                .libraryNotLoaded, .library, "\(name) cannot be used: \(reason)",
                hint: "Without --load you see what it needs and what it hands out.")
        }
        return answer
    }

    private func crashed(_ name: String, _ how: String) -> CloacinaError {
        CloacinaError(
            .libraryCrashed, .library, "\(name) was loaded and asked: \(how)",
            hint: "An engine would end in the same way. Look at it without --load.")
    }

    private func signalName(_ signal: Int32) -> String {
        switch signal {
        case SIGXCPU, SIGKILL:
            "signal \(signal), after \(Self.processorSeconds) s of processor time or by another's hand"
        case SIGSEGV: "SIGSEGV"
        case SIGABRT: "SIGABRT"
        case SIGILL: "SIGILL"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGTRAP: "SIGTRAP"
        default: "signal \(signal)"
        }
    }
}

// MARK: the child

extension LibraryLoading {
    /// The path, where this process was started to load a library.
    package static func path(askedBy arguments: [String]) -> String? {
        arguments.count == 3 && arguments[1] == argument ? arguments[2] : nil
    }

    /// Loads it and writes what it says to what was stdout; returns the exit status.
    package static func loadHere(_ path: String) -> Int32 {
        // What the library prints goes to stderr, and the answer is on no descriptor that it knows of.
        let answers = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
        guard answers >= 0, dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 else { return 70 }
        limit(RLIMIT_CPU, processorSeconds)
        limit(RLIMIT_AS, memory)
        limit(RLIMIT_CORE, 0)
        let answer: JSONValue
        do throws(LoadedLibrary.Failure) {
            answer = try LoadedLibrary(path: path).json
        } catch {
            answer = ["failure": .string(error.reason)]
        }
        do { try writeAll(answers, answer.encodedBytes()) } catch { return 70 }
        return 0
    }

    private static func limit(_ resource: __rlimit_resource, _ most: rlim_t) {
        var limit = rlimit(rlim_cur: most, rlim_max: most)
        setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
    }
}
