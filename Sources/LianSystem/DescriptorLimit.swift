import CLinux
import Glibc

/// How many descriptors this process may have open.
package enum DescriptorLimit {
    /// What children start with where this process has raised its own: programs that use select(2), or look at every
    /// descriptor that they could have, are made for the limit that the system gives.
    private static let before = Guarded<rlimit?>(nil)

    /// Raises it as far as the process may by itself; gives what it is then.
    @discardableResult
    package static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        if raised.rlim_cur != limit.rlim_cur, setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 {
            before.set(limit)
            limit = raised
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Gives a child that was just started the limit from before.
    static func lower(of child: pid_t) {
        guard let limit = before.value else { return }
        _ = lian_limit_descriptors(child, UInt(limit.rlim_cur), UInt(limit.rlim_max))
    }
}
