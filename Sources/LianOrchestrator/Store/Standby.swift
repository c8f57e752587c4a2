import LianModel

/// What is known of a machine that waits for a build.
package struct Standby: Equatable, Sendable {
    /// The private key that opens it, made for it alone and of no use once it has a build.
    package var key: String
    /// The hash of what in the configuration it was made by.
    package var form: String

    package init(key: String, form: String) {
        self.key = key
        self.form = form
    }
}

extension Standby: JSONEncodable {
    package var json: JSONValue { ["key": .string(key), "form": .string(form)] }

    /// nil where the text is not what `json` writes.
    init?(json text: String) {
        guard let json = try? JSONValue.parse(text), let key = json["key"]?.stringValue,
            let form = json["form"]?.stringValue
        else { return nil }
        self.init(key: key, form: form)
    }
}
