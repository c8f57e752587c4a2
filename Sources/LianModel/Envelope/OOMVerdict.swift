/// Why a failed build counts as out of memory.
package struct OOMVerdict: Equatable, Sendable {
    package enum Reason: String, Sendable {
        /// A process of the build was killed with SIGKILL, but not by us.
        case exit137 = "exit_137"
        /// The engine's own text names it.
        case text
        /// Only the kernel tells: it counted a kill.
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
