import LianModel

/// A piece of HTML. Its literals are markup. Values that are put into them are text and get escaped, so nothing that a
/// build prints can become markup.
struct Markup: ExpressibleByStringInterpolation, Sendable {
    private(set) var text: String

    init(stringLiteral text: String) {
        self.text = text
    }

    init(stringInterpolation: StringInterpolation) {
        text = stringInterpolation.text
    }

    init(_ pieces: [Markup]) {
        text = pieces.map(\.text).joined()
    }

    static let nothing: Markup = ""

    static func += (left: inout Markup, right: Markup) {
        left.text += right.text
    }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ words: String) { text += escaped(words) }
        mutating func appendInterpolation(_ number: Int) { text += Figures.grouped(number) }
        mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
        mutating func appendInterpolation(_ pieces: [Markup]) { for piece in pieces { text += piece.text } }
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
