import Glibc
import LianTestSupport
import Synchronization

/// Feeds generated inputs in a process that a trap may end: which input did it is said where the tests say what they do.
func feed(_ body: (inout SeededGenerator) throws -> Void) throws {
    for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE] {
        Glibc.signal(signal) { signal in
            let index = inputUnderWay.load(ordering: .relaxed)
            let words = "input \(index) from seed \(FuzzRun.asked.seed) ended its process by signal \(signal)\n"
            // Nobody shows what this process writes.
            let tests = open("/proc/\(getppid())/fd/2", O_WRONLY | O_APPEND)
            write(tests, words, words.utf8.count)
            Glibc.signal(signal, SIG_DFL)
            raise(signal)
        }
    }
    try FuzzRun.asked.each { random in
        inputUnderWay.add(1, ordering: .relaxed)
        var random = random
        try body(&random)
    }
}

private let inputUnderWay = Atomic<Int>(-1)
