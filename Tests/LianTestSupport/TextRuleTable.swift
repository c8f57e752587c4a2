import Foundation
import LianModel

/// Tests/Fixtures/text-rules.jsonl: texts that each rule takes, and texts that it refuses.
package enum TextRuleTable {
    package static let rules: [String: TextRule] = [
        "slug": .slug, "line": .line, "value": .value, "folder": .folder, "file": .file, "inner_path": .innerPath,
        "variable_name": .variableName, "label_name": .labelName, "context_name": .contextName,
        "secret_id": .secretID, "agent_id": .agentID, "stage": .stage, "platform": .platform, "plain_word": .plainWord,
        "user_name": .userName, "vault_path": .vaultPath, "registry_host": .registryHost, "namespace": .namespace,
        "tagged_reference": .taggedReference, "pinned_reference": .pinnedReference, "extra_context": .extraContext,
        "annotation_name": .annotationName, "host_name": .hostName, "ip_address": .ipAddress, "ulimit": .ulimit,
        "cache_source": .cacheSource, "cache_target": .cacheTarget, "context_place": .contextPlace,
        "memory_size": .memorySize, "entitlement": .entitlement,
        "orchestrator_url": .orchestratorURL, "nats_url": .natsURL, "subject_prefix": .subjectPrefix,
        "listen_address": .listenAddress, "token_hash": .tokenHash, "utc_time": .utcTime,
        "workspace_pattern": .workspacePattern,
    ]

    package struct Samples {
        package let rule: String
        package let good: [String]
        package let bad: [String]
    }

    package static func samples() throws -> [Samples] {
        let text = try String(
            contentsOf: Project.root.appending(path: "Tests/Fixtures/text-rules.jsonl"), encoding: .utf8)
        return try text.split(separator: "\n").map { line in
            var record = try JSONNode(.parse(String(line))).record()
            let samples = Samples(
                rule: try record.required("rule").string(),
                good: try record.required("good").items().map { try $0.string() },
                bad: try record.required("bad").items().map { try $0.string() })
            try record.close()
            return samples
        }
    }
}
