import LianModel

/// A metric with all its series, as the page of metrics shows it.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    struct Sample: Sendable {
        /// What stands behind the family's name: histograms have series of several names.
        var suffix = ""
        var labels: [(name: String, value: String)]
        var value: Double
    }

    package let name: String
    let help: String
    let kind: Kind
    var samples: [Sample]

    /// In Prometheus's text format, version 0.0.4. Whoever sees only some workspaces sees what is labelled with one of
    /// these, and no sum over others; with nil everything is seen.
    package func text(whereWorkspace sees: ((String) -> Bool)?) -> String {
        let seen = samples.filter { sample in
            guard let sees else { return true }
            // What is counted as other is of workspaces that nobody named.
            return sample.labels.contains { $0.name == "workspace" && $0.value != Label.other && sees($0.value) }
        }
        if seen.isEmpty { return "" }
        var text = "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in seen {
            // To Prometheus a label without a value is none.
            let valued = sample.labels.filter { !$0.value.isEmpty }
            let labels = valued.map { "\($0.name)=\"\(Self.escaped($0.value, quoted: true))\"" }
            text += name + sample.suffix
            if !labels.isEmpty { text += "{\(labels.joined(separator: ","))}" }
            text += " \(Self.text(sample.value))\n"
        }
        return text
    }

    static func text(_ number: Double) -> String {
        number == .infinity ? "+Inf" : JSONValue.number(number).encoded()
    }

    private static func escaped(_ text: String, quoted: Bool = false) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quoted: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

/// What has a place on the page of metrics. Where it counts, it holds its lock for one addition or one copy at a time:
/// a page that is being made keeps nobody waiting.
package protocol Meter: Sendable {
    var family: MetricFamily { get }
}
