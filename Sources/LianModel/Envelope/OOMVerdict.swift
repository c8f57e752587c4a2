/// Why a failed build counts as out of memory.
package struct OOMVerdict: Equatable, Sendable {
    package enum Reason: String, Sendable {
        /// A process of the build was killed with SIGKILL, and not by us.
        case exit137 = "exit_137"
        /// The engine says so.
        case text
        /// The kernel counted a kill, and nothing else tells.
        case kernel
    }

    package var reason: Reason
    /// OOM kills that the kernel counted in the runner; nil where they could not be read.
    package var kernelOOMKills: Int?

    package init(reason: Reason, kernelOOMKills: Int?) {
        self.reason = reason
        self.kernelOOMKills = kernelOOMKills
    }
}

extension OOMVerdict: JSONEncodable {
    package var json: JSONValue {
        ["reason": .string(reason.rawValue), "kernel_oom_kills": kernelOOMKills.json]
    }
}
