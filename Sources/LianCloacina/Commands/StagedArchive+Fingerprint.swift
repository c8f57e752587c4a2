import LianModel

extension StagedArchive {
    /// Holds the fingerprint in the manifest of a package of version 2 against its files. One that has none is let pass.
    func checkFingerprint(_ path: String, _ stop: StopRequest) throws(CloacinaError) {
        guard let manifest = try bytes(of: LegacyManifest.fileName),
            let told = (try? JSONValue.parse(manifest))?["package"]?["fingerprint"]?.stringValue, !told.isEmpty
        else { return }
        let plain = LegacyManifest.withoutFingerprint(manifest, told) ?? manifest
        let members = try members().map { member in
            member.path == LegacyManifest.fileName ? ArchiveMember(member.path, .bytes(plain)) : member
        }
        guard LegacyManifest.fingerprint(of: try members.digest(stop)) == told else {
            throw CloacinaError(
                .fingerprintMismatch, .archive, "the files in \(path) are not those that its fingerprint was made of",
                hint: "Get the archive again, or build it anew.")
        }
    }
}
