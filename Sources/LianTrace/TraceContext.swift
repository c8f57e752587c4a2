import LianModel
import LianSystem

/// Where the build stands in a trace: the ids of W3C's Trace Context.
struct TraceContext: Equatable, Sendable {
    /// 32 hex digits.
    let traceID: String
    /// Of the build's own span: 16 hex digits.
    let spanID: String
    /// The caller's span; nil where the trace begins here.
    let parentID: String?

    /// A trace that begins here, or the caller's that is gone on with.
    init(below parent: TraceParent?) {
        traceID = parent?.traceID ?? Self.newTraceID()
        spanID = Self.newSpanID()
        parentID = parent?.spanID
    }

    static func newTraceID() -> String { hexadecimal(randomBytes(16)) }
    static func newSpanID() -> String { hexadecimal(randomBytes(8)) }

    /// The value of TRACEPARENT for whoever works for this build.
    var parentForOthers: String { "00-\(traceID)-\(spanID)-01" }
}

/// What TRACEPARENT says: the span that a build is a part of.
struct TraceParent: Equatable, Sendable {
    let traceID: String
    let spanID: String
    /// Whether the caller keeps this trace at all.
    let isSampled: Bool

    /// nil where the text is none: whoever gets such a one begins a trace of its own.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, let version = Self.byte(parts[0]), version != 0xFF,
            // Later versions may say more behind the fourth part.
            parts.count == 4 || version > 0,
            Self.isID(parts[1], digits: 32), Self.isID(parts[2], digits: 16), let flags = Self.byte(parts[3])
        else { return nil }
        traceID = parts[1]
        spanID = parts[2]
        isSampled = flags & 1 == 1
    }

    private static func byte(_ text: String) -> UInt8? {
        isLowercaseHex(text, digits: 2) ? UInt8(text, radix: 16) : nil
    }

    private static func isID(_ text: String, digits: Int) -> Bool {
        isLowercaseHex(text, digits: digits) && text.contains { $0 != "0" }
    }

    private static func isLowercaseHex(_ text: String, digits: Int) -> Bool {
        text.utf8.count == digits
            && text.utf8.allSatisfy(Identifier.isLowercaseHexDigit)
    }
}
