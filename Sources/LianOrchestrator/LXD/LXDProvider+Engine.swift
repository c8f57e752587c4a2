import LianHTTP
import LianModel
import LianSystem

// MARK: - The engine of a runner with a volume

extension LXDProvider {
    private static let stopLimit: Duration = .seconds(45)

    package func stopEngine(_ runnerID: String, leaving bytes: Int?) throws(ProviderError) -> EngineEnd {
        do {
            guard let instance = try server.instances(of: marks(runnerID)).first else {
                return .unclear("its machine is gone")
            }
            if let end = try engineEnd(in: instance.name) { return end }
            let path = "/instances/\(percentEncoded(instance.name))/exec"
            let order: JSONValue = [
                "command": (["/bin/sh", "-c", BootScript.stop, "stop"] + (bytes.map { [String($0)] } ?? [])).json,
                "wait-for-websocket": false, "interactive": false,
            ]
            if let operation = try server.ask(.post, path, body: order).operation,
                try !server.wait(for: operation, atMost: Self.stopLimit)
            {
                return .unclear("stopping it takes longer than \(Self.stopLimit)")
            }
            return try engineEnd(in: instance.name) ?? .unclear("the runner does not tell how it was stopped")
        } catch {
            throw ProviderError("the cluster cannot stop the engine: \(error)")
        }
    }

    private func engineEnd(in instance: String) throws(LXDFailure) -> EngineEnd? {
        switch try server.file(BootScript.stopWordFile, of: instance).flatMap(BootScript.StopWord.init) {
        case .clean?: .clean
        case .unclear(let reason)?: .unclear(reason)
        case nil: nil
        }
    }

    /// Asked where the engine worked on a volume: of others it tells nothing that anybody needs.
    package func engineEndByItself(_ runnerID: String) -> String? {
        guard withVolume.value.contains(runnerID), case .success(let view)? = cluster.last,
            let instance = view.of(marks(runnerID)).first, instance.isRunning
        else { return nil }
        do {
            guard try server.file(BootScript.stopWordFile, of: instance.name) == nil,
                let status = try server.file(BootScript.engineEndFile, of: instance.name)?.trimmingLineEnd(),
                !status.isEmpty, status != BootScript.statusOfKilled
            else { return nil }
            return "exit status \(onOneLine(status))"
        } catch {
            return nil
        }
    }

    /// The storage of volumes, as the operator wants it; nil where that is none.
    package func findVolumes(_ choice: VolumesChoice) throws(ProviderError) -> FoundVolumes? {
        guard let volumes else {
            guard choice != .clone else {
                throw ProviderError("the cluster's profiles name no pool for volumes: set pool")
            }
            return nil
        }
        return try volumes.found(choice)
    }
}
