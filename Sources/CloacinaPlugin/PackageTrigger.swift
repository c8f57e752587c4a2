/// What starts the workflow: the clock, or a closure that the engine asks again and again.
public struct PackageTrigger: PackagePart {
    let name: String
    let workflow: String
    let cron: String?
    let allowsConcurrent: Bool
    /// 0 with cron; nil where the interval is none.
    let pollMilliseconds: Int64?
    let poll: @Sendable () throws -> TriggerDecision

    /// `cron` has five fields: minute, hour, day of the month, month, day of the week.
    public init(_ name: String, on workflow: String, cron: String, allowsConcurrent: Bool = false) {
        self.name = name
        self.workflow = workflow
        self.cron = cron
        self.allowsConcurrent = allowsConcurrent
        pollMilliseconds = 0
        poll = { .skip }
    }

    public init(
        _ name: String, on workflow: String, every interval: Duration, allowsConcurrent: Bool = false,
        poll: @escaping @Sendable () throws -> TriggerDecision
    ) {
        self.name = name
        self.workflow = workflow
        cron = nil
        self.allowsConcurrent = allowsConcurrent
        pollMilliseconds = interval.wholeMilliseconds
        self.poll = poll
    }
}

public enum TriggerDecision: Sendable {
    case skip
    /// The workflow starts with this context.
    case fire(PackageContext = [:])
}

extension Duration {
    /// nil below one, and beyond what a number holds.
    fileprivate var wholeMilliseconds: Int64? {
        let (seconds, attoseconds) = components
        let (whole, isTooMuch) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, isTooMuchWithRest) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return isTooMuch || isTooMuchWithRest || sum < 1 ? nil : sum
    }
}
