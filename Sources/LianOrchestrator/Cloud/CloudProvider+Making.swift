import LianModel
import LianSystem

/// A machine that is being made.
struct Making {
    let order: RunnerOrder
    let script: String
    let marks: Marks
    let end: ContinuousClock.Instant
    /// How many names were found to be those of others.
    fileprivate(set) var namesTaken = 0

    static let nameCount = 5

    var name: String { "lian-\(marks.runner)" + (namesTaken == 0 ? "" : "-\(namesTaken + 1)") }
}

extension CloudProvider {
    /// In each place that may serve, one after the other, until one has room.
    func create(_ order: RunnerOrder, isWanted: () -> Bool) throws(ProviderError) -> RunnerPlace {
        let marks = marks(order.runnerID)
        // Of an earlier life of this runner: nothing that this call makes.
        try remove(marks)
        let hostKey = try HostKey.make()
        var making = Making(
            order: order, script: BootScript(runnerID: order.runnerID, callersKey: order.key, hostKey: hostKey).text,
            marks: marks, end: .now + limits.create)
        var refusals: [String] = []
        for place in places(for: order.request) {
            do {
                let machine = try make(&making, in: place, isWanted: isWanted)
                let (word, host) = try waitUntilReady(machine, making, isWanted: isWanted)
                books.ready.update { $0[order.runnerID] = .now }
                return RunnerPlace(
                    host: host, port: BootScript.sshPort, user: BootScript.user,
                    hostKeys: [hostKey.publicKey.line], workDir: BootScript.workDir, buildkitAddress: word,
                    region: region(of: place))
            } catch let failure as Failure {
                guard isWanted() else { throw ProviderError.notWanted }
                guard failure.isNoRoom else { throw ProviderError("the \(called) cannot make \(place): \(failure)") }
                refusals.append("\(place): \(failure)")
                // Of a machine that could not be started after all.
                try remove(marks)
            } catch {
                throw error as? ProviderError ?? ProviderError("\(error)")
            }
        }
        throw ProviderError(noCapacity: refusals.joined(separator: "; "))
    }

    private func make(_ making: inout Making, in place: Place, isWanted: () -> Bool) throws(Failure) -> Machine {
        while true {
            do throws(Failure) {
                return try make(making, in: place, isWanted: isWanted)
            } catch {
                guard error.isNameTaken, making.namesTaken < Making.nameCount - 1 else { throw error }
                making.namesTaken += 1
            }
        }
    }

    /// The boot script's word comes with the greeting of the machine's sshd.
    private func waitUntilReady(
        _ made: Machine, _ making: Making, isWanted: () -> Bool
    ) throws(ProviderError) -> (buildkit: String?, host: String) {
        let end = ContinuousClock.now + limits.boot
        var machine = made
        var looked = ContinuousClock.now
        var unseen = "it has no address"
        while true {
            if let host = address(of: machine) {
                let banner = sshBanner(host: host, port: BootScript.sshPort, within: .seconds(2))
                switch banner.flatMap(BootScript.Word.of(greeting:)) {
                case .ready(let buildkit)?: return (buildkit, host)
                case .failed(let reason)?: throw ProviderError("the machine is no runner: \(reason)")
                case nil: unseen = banner == nil ? "its sshd is silent" : "its boot script has not come to its end"
                }
            }
            if ContinuousClock.now - looked > (address(of: machine) == nil ? .seconds(2) : .seconds(5)) {
                guard let now = try lookAgain(at: machine, making), !now.hasEnded else {
                    throw ProviderError("the machine ended while it was booting")
                }
                machine = now
                looked = .now
            }
            guard waitOut(.milliseconds(500), while: isWanted) else { throw ProviderError.notWanted }
            guard ContinuousClock.now < end else {
                throw ProviderError("the machine is not ready within \(limits.boot): \(unseen)")
            }
        }
    }
}
