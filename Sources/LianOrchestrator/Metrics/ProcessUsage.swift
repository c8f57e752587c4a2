import Glibc
import LianSystem

/// What this process takes of the machine, by the names that Prometheus gives to that for any process.
package enum ProcessUsage {
    package static func families() -> [MetricFamily] {
        var meters: [Tally] = []
        func add(_ kind: Tally.Kind, _ name: String, _ help: String, _ value: Double?) {
            guard let value else { return }
            let tally = Tally(kind, "process_\(name)", help)
            tally.add([], amount: value)
            meters.append(tally)
        }
        let fields = fieldsBehindName(ofStatLine: (try? readText("/proc/self/stat")) ?? "").map { Double($0) }
        func field(_ number: Int) -> Double? { fields.indices.contains(number - 3) ? fields[number - 3] : nil }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        let cpu = field(14).flatMap { user in field(15).map { (user + $0) / ticks } }
        add(.counter, "cpu_seconds_total", "Time of processors that this process took.", cpu)
        add(.gauge, "virtual_memory_bytes", "Address space of this process.", field(23))
        add(
            .gauge, "resident_memory_bytes", "Memory that this process holds.",
            field(24).map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) })
        add(
            .gauge, "start_time_seconds", "When this process was started, since 1970.",
            bootTime.flatMap { boot in field(22).map { boot + $0 / ticks } })
        add(
            .gauge, "open_fds", "Descriptors that this process has open.",
            // The look itself opens one.
            (try? folderEntries("/proc/self/fd")).map { Double($0.count - 1) })
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            add(.gauge, "max_fds", "Descriptors that this process may have open.", Double(limit.rlim_cur))
        }
        return meters.map(\.family)
    }

    private static let bootTime: Double? = {
        let text = (try? readText("/proc/stat")) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }()
}
