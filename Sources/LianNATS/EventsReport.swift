import LianModel

/// How it went with the events of one build, in the words of the envelope.
package struct EventsReport: Equatable, Sendable {
    /// Taken by the server, and not refused.
    package var published: Int
    package var failed: Int
    package var warnings: [BuildWarning]

    package init(published: Int, failed: Int, warnings: [BuildWarning]) {
        self.published = published
        self.failed = failed
        self.warnings = warnings
    }
}

/// Where events go to, as the caller gave it. What is wrong with it becomes a warning, never the end of a build.
package struct EventsSettings: Sendable {
    package var url: String
    /// The seed itself.
    package var nkeySeed: String?
    /// Authorities that are trusted besides the system's.
    package var caFile: String?

    package init(url: String, nkeySeed: String? = nil, caFile: String? = nil) {
        self.url = url
        self.nkeySeed = nkeySeed
        self.caFile = caFile
    }
}
