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

    /// Nil for a build that is not out of memory: one that succeeded, one that we ended, and one that failed of
    /// something else.
    package init?(exitStatus: Int32, signs: BuildErrorSigns, kernelOOMKills: Int?, endedByUs: Bool) {
        guard exitStatus != 0, !endedByUs else { return nil }
        if exitStatus == 137 || signs.exit137 {
            reason = .exit137
        } else if signs.outOfMemory {
            reason = .text
        } else if let kernelOOMKills, kernelOOMKills > 0 {
            reason = .kernel
        } else {
            return nil
        }
        self.kernelOOMKills = kernelOOMKills
    }
}

extension OOMVerdict: JSONEncodable {
    package var json: JSONValue {
        ["reason": .string(reason.rawValue), "kernel_oom_kills": kernelOOMKills.json]
    }
}
