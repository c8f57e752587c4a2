extension TextRule {
    package static let cacheSource = TextRule(
        sentence:
            "must be REGISTRY/NAME with a tag, a digest or both, or type=registry, gha, s3, azblob or local and what belongs "
            + "to it, like type=s3,region=eu-central-1,bucket=caches"
    ) { isStore($0, .from) }

    package static let cacheTarget = TextRule(
        sentence:
            "must be REGISTRY/NAME:TAG, or type=registry, inline, gha, s3, azblob or local and what belongs to it, like "
            + "type=registry,ref=reg.example/app:cache,mode=max"
    ) { isStore($0, .to) }
}

private func isStore(_ text: String, _ side: CacheStore.Side) -> Bool {
    (try? CacheStore(text, side)) != nil
}
