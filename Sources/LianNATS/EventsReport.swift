import LianModel

/// What became of the events of one build, in the words of the envelope.
package struct EventsReport: Equatable, Sendable {
    /// Events that the server accepted and did not refuse later.
    package var published: Int
    package var failed: Int
    package var warnings: [BuildWarning]

    package init(published: Int, failed: Int, warnings: [BuildWarning]) {
        self.published = published
        self.failed = failed
        self.warnings = warnings
    }
}

/// Where events are sent, as the caller gave it. Mistakes in it become warnings and never end a build.
package struct EventsSettings: Sendable {
    package var url: String
    /// The seed itself.
    package var nkeySeed: String?
    /// A file of authorities that are trusted besides the system's.
    package var caFile: String?

    package init(url: String, nkeySeed: String? = nil, caFile: String? = nil) {
        self.url = url
        self.nkeySeed = nkeySeed
        self.caFile = caFile
    }
}
