extension ResultEnvelope: JSONEncodable {
    package static let schema = "lian-build/result/v1"

    package var json: JSONValue {
        [
            "schema": .string(Self.schema), "version": .string(lianBuildVersion), "build_id": buildID.json,
            "status": .string(status.rawValue), "workspace": workspace.json, "mode": mode.json,
            "actor": actor.json, "artifacts": artifacts.json, "sizing": sizing.json, "runner": runner.json,
            "runners": runners.json,
            "attempts": attempts.json, "cache": cache.json, "volume": volume.json, "context": context.json,
            "usage": usage.json,
            "timings_ms": timings.json, "events": events.json, "plan": plan.json, "checks": checks.json,
            "outputs": outputs.json, "warnings": warnings.json,
            "error": error.json,
        ]
    }
}

extension ArtifactResult: JSONEncodable {
    package var json: JSONValue {
        [
            "name": .string(name), "image": image.json, "tags": tags.json, "digest": digest.json,
            "pushed": pushed.json,
            "platforms": platforms.json, "status": (status?.rawValue).json, "steps": steps.json,
            "duration_ms": durationMS.json,
        ]
    }
}

extension OutputResult: JSONEncodable {
    package var json: JSONValue {
        ["artifact": .string(artifact), "type": .string(type), "dest": .string(dest), "bytes": .integer(bytes)]
    }
}

extension StepCount: JSONEncodable {
    package var json: JSONValue { ["total": .integer(total), "cached": .integer(cached)] }
}

extension RunnerResult: JSONEncodable {
    package var json: JSONValue {
        ["id": id.json, "provider": provider.json, "tier": tier.json, "destroyed": .bool(destroyed)]
    }
}

extension AttemptResult: JSONEncodable {
    package var json: JSONValue {
        [
            "n": .integer(number), "platform": platform.json, "tier": tier.json, "outcome": .string(outcome.rawValue),
            "exit_code": exitCode.json, "duration_ms": .integer(durationMS), "oom": oom.json,
            "registry_retries": .integer(registryRetries), "disk_full": (diskFill?.rawValue).json,
        ]
    }
}

extension CacheResult: JSONEncodable {
    package var json: JSONValue { ["from": from.json, "to": to.json] }
}

extension ContextResult: JSONEncodable {
    package var json: JSONValue {
        [
            "files": .integer(files), "bytes": .integer(bytes), "excluded_files": .integer(excludedFiles),
            "sent_bytes": sentBytes.json,
        ]
    }
}

extension UsageResult: JSONEncodable {
    package var json: JSONValue {
        ["cpu_peak": cpuPeak.json, "memory_mb_peak": memoryMBPeak.json, "samples": .integer(samples)]
    }
}

extension Timings: JSONEncodable {
    package var json: JSONValue {
        [
            "resolve": resolve.json, "spawn": spawn.json, "ready": ready.json, "sync": sync.json,
            "build": build.json, "teardown": teardown.json, "total": total.json,
        ]
    }
}

extension EventsResult: JSONEncodable {
    package var json: JSONValue { ["published": .integer(published), "failed": .integer(failed)] }
}

extension Plan: JSONEncodable {
    package var json: JSONValue {
        [
            "artifacts": .array(
                artifacts.map {
                    ["name": .string($0.name), "platform": $0.platform.json, "buildctl": $0.buildctl.json]
                }),
            "outputs": .array(
                outputs.map {
                    ["artifact": .string($0.artifact), "type": .string($0.type), "dest": .string($0.dest)]
                }),
            "context": ["largest": .array(largest.map { ["path": .string($0.path), "bytes": .integer($0.bytes)] })],
            "volume": volume.json,
        ]
    }
}

extension BuildWarning: JSONEncodable {
    package var json: JSONValue { ["code": .string(code.rawValue), "message": .string(message)] }
}
