import LianConfiguration
import LianModel

/// `--secret id=ID[,src=PATH|,env=NAME]`. With the id alone, the environment's variable of that name, else the file of
/// that name, as in buildx.
enum SecretFlag {
    static func parse(
        _ text: String, environment: [String: String], workingFolder: WorkingFolder
    ) throws(LianError) -> SecretRequest {
        var fields: [String: String] = [:]
        for field in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if let key = parts.first, mistaken.contains(key) {
                throw refusal("--secret has no '\(key)': write id=ID,src=PATH or id=ID,env=NAME")
            }
            guard parts.count == 2, !parts[1].isEmpty, ["id", "src", "source", "env", "type"].contains(parts[0]),
                fields.updateValue(String(parts[1]), forKey: parts[0] == "source" ? "src" : String(parts[0])) == nil
            else { throw refusal() }
        }
        guard let id = fields["id"], TextRule.secretID.holds(id), fields["src"] == nil || fields["env"] == nil,
            fields["type"].map({ ["file", "env"].contains($0) }) ?? true
        else { throw refusal() }
        if let name = fields["env"] { return SecretRequest(id: id, source: .environment(name)) }
        if let path = fields["src"] {
            return SecretRequest(id: id, source: .file(try workingFolder.path(path)))
        }
        if environment[id] != nil, fields["type"] != "file" { return SecretRequest(id: id, source: .environment(id)) }
        return SecretRequest(id: id, source: .file(try workingFolder.path(id)))
    }

    /// What people write for src or env.
    private static let mistaken: Set<Substring> = [
        "file", "path", "name", "value", "var", "target", "required", "mode",
    ]

    /// The error repeats nothing else of what was typed: the value itself may stand where its place belongs.
    private static func refusal(
        _ message: String = "--secret must be written as id=ID,src=PATH or id=ID,env=NAME"
    ) -> LianError {
        LianError(
            .invalidArgument, .arguments, message,
            hint: "The value of a secret is never an argument: name the file or the variable that holds it.")
    }
}
