import LianModel

extension OOMVerdict {
    /// Nil for a build that did not run out of memory: it succeeded, we ended it, or it failed for another reason.
    package init?(exitStatus: Int32, signs: BuildErrorSigns, kernelOOMKills: Int?, endedByUs: Bool) {
        guard exitStatus != 0, !endedByUs else { return nil }
        let reason: Reason
        if exitStatus == 137 || signs.exit137 {
            reason = .exit137
        } else if signs.outOfMemory {
            reason = .text
        } else if let kernelOOMKills, kernelOOMKills > 0 {
            reason = .kernel
        } else {
            return nil
        }
        self.init(reason: reason, kernelOOMKills: kernelOOMKills)
    }
}
