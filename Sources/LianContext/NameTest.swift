/// How a pattern tests a name; most patterns need no expression for it.
enum NameTest: Sendable {
    case exact([UInt8])
    case prefix([UInt8])
    case suffix([UInt8])
    case expression(GoExpression)

    func matches(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        switch self {
        case .exact(let text): path.count == text.count && path.ends(with: text)
        case .prefix(let text): path.starts(with: text)
        case .suffix(let text):
            path.ends(with: text)
                || text.first == GoText.slash && path.elementsEqual(text.dropFirst())
        case .expression(let expression): expression.matches(path)
        }
    }
}
