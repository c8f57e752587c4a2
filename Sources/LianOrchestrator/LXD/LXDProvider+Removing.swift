import Glibc
import LianHTTP
import LianModel
import LianSystem

extension LXDProvider {
    /// Ends what carries the marks, and returns once the cluster lists none of it.
    func remove(_ marks: Marks) throws(ProviderError) {
        let end = ContinuousClock.now + limits.removal
        var problem = "it is still listed"
        while true {
            let left: [LXDInstance]
            do {
                left = try server.instances(of: marks)
            } catch {
                throw ProviderError("the cluster does not tell what is left: \(error)")
            }
            if left.isEmpty { return }
            for instance in left {
                do throws(LXDFailure) {
                    try remove(instance)
                } catch  where error.isUnknown {
                    continue
                } catch {
                    problem = "\(instance.name) on member \(instance.member): \(error)"
                    // It is tried again by whoever called, once the member may be back.
                    if instance.isUnseen || !error.isRefusal { throw ProviderError(problem) }
                }
            }
            guard ContinuousClock.now < end else { throw ProviderError(problem) }
            usleep(100_000)
        }
    }

    private func remove(_ instance: LXDInstance) throws(LXDFailure) {
        let path = "/instances/\(percentEncoded(instance.name))"
        let answer: LXDServer.Answer
        if instance.status != "Stopped" {
            // Also of what is frozen. The cluster itself deletes what is ephemeral once it has stopped.
            let stop: JSONValue = ["action": "stop", "force": true, "timeout": 5]
            answer = try server.ask(.put, "\(path)/state", body: stop)
        } else {
            answer = try server.ask(.delete, path)
        }
        if let operation = answer.operation { _ = try server.wait(for: operation, atMost: .seconds(10)) }
    }
}
