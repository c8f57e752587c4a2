/// A rule of BuildKit's that a Dockerfile breaks.
package struct CheckFinding: Equatable, Sendable {
    package struct Place: Equatable, Sendable {
        /// As the engine names it.
        package var file: String
        package var line: Int

        package init(file: String, line: Int) {
            self.file = file
            self.line = line
        }
    }

    /// Whose Dockerfile it is.
    package var artifact: String
    package var rule: String
    /// nil where the rule is about no line.
    package var place: Place?
    package var message: String
    /// Where the rule is explained.
    package var url: String?

    package init(artifact: String, rule: String, place: Place? = nil, message: String, url: String? = nil) {
        self.artifact = artifact
        self.rule = rule
        self.place = place
        self.message = message
        self.url = url
    }
}

extension CheckFinding: JSONEncodable {
    package var json: JSONValue {
        [
            "artifact": .string(artifact), "rule": .string(rule), "place": place.json, "message": .string(message),
            "url": url.json,
        ]
    }
}

extension CheckFinding.Place: JSONEncodable {
    package var json: JSONValue { ["file": .string(file), "line": .integer(line)] }
}
