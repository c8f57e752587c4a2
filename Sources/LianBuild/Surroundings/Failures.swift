import LianModel
import LianRemote

extension LianError {
    /// Turns whatever was thrown into the one kind of error that callers see.
    package init(_ error: any Error, in phase: Phase) {
        switch error {
        case let error as LianError: self = error
        case let failure as RemoteFailure: self = failure.lianError(phase)
        case is FilledDisk: self = RemoteFailure.diskFull.lianError(phase)
        case is CancellationError: self = .cancelled(in: phase)
        default:
            self.init(
                .internalError, phase, "something went wrong that should not have: \(error)",
                hint: "This is a defect of lian-build's; please report it with this message.")
        }
    }

    /// A flag names a file that could not be written.
    package static func unwritable(_ flag: String, _ problem: String) -> LianError {
        LianError(
            .invalidArgument, .arguments, "\(flag): \(problem)",
            hint: "Name a file in a folder that is there and can be written to.")
    }
}
