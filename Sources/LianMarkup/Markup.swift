import LianModel

/// A piece of HTML. Its literals are markup. Values that are put into them are text and get escaped, so nothing that a
/// build prints can become markup.
package struct Markup: ExpressibleByStringInterpolation, Sendable {
    package private(set) var text: String

    package init(stringLiteral text: String) {
        self.text = text
    }

    package init(stringInterpolation: StringInterpolation) {
        text = stringInterpolation.text
    }

    package init(_ pieces: [Markup]) {
        text = pieces.map(\.text).joined()
    }

    package static let nothing: Markup = ""

    package static func += (left: inout Markup, right: Markup) {
        left.text += right.text
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) { text += literal }
        package mutating func appendInterpolation(_ words: String) { text += escaped(words) }
        package mutating func appendInterpolation(_ number: Int) { text += Figures.grouped(number) }
        package mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
        package mutating func appendInterpolation(_ pieces: [Markup]) { for piece in pieces { text += piece.text } }
    }
}

/// Text for an element or a quoted attribute, on one line and without control characters.
private func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in onOneLine(text, limit: longestText).unicodeScalars {
        switch scalar {
        case "&": escaped += "&amp;"
        case "<": escaped += "&lt;"
        case ">": escaped += "&gt;"
        case "\"": escaped += "&quot;"
        case "'": escaped += "&#39;"
        default: escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped
}

/// Longer texts are cut: they would tell a reader no more, and make the page too large.
private let longestText = 2000
