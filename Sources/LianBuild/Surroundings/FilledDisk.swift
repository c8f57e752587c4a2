import LianModel

/// The run's end was lost: the runner's disk had no room for it.
struct FilledDisk: Error {
    let fill: DiskFill
}
