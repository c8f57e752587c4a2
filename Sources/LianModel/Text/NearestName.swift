/// The name that a person most likely meant, or nil if none is near: the one with the fewest typing errors; else the
/// first where one of the two begins with the other; else the first where all words of one of the two occur in the
/// other.
package func nearestName(to typed: String, among names: [String]) -> String? {
    // A long word is no misspelling of a short name, and the cost of a comparison grows with the square of the length.
    guard typed.count <= 64 else { return nil }
    let limit = max(1, min(3, typed.count / 3))
    let ranked = names.map { (name: $0, distance: editDistance(typed, $0)) }
    if let best = ranked.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }), best.distance <= limit {
        return best.name
    }
    let words = joinedWords(typed)
    return names.first { isPrefix(words, joinedWords($0)) || isPrefix(joinedWords($0), words) }
        ?? names.first { isPart(words, joinedWords($0)) || isPart(joinedWords($0), words) }
}

/// Ignores what separates the words of a name, so that "--memory-gb" and "memory_gb" are alike.
private func joinedWords(_ name: String) -> String {
    name.split { !$0.isASCII || !$0.isLetter && !$0.isNumber }.joined(separator: "-")
}

/// Too many names begin with the same one or two letters.
private func isPrefix(_ part: String, _ whole: String) -> Bool {
    part.count >= 3 && whole.hasPrefix(part)
}

private func isPart(_ part: String, _ whole: String) -> Bool {
    !part.isEmpty && "-\(whole)-".contains("-\(part)-")
}

/// Damerau's distance with adjacent swaps: "imgae" is one slip away from "image".
private func editDistance(_ left: String, _ right: String) -> Int {
    let a = Array(left)
    let b = Array(right)
    var twoBack: [Int] = []
    var previous = Array(0...b.count)
    for i in 1..<(a.count + 1) {
        var current = [i] + Array(repeating: 0, count: b.count)
        for j in 1..<(b.count + 1) {
            let cost = a[i - 1] == b[j - 1] ? 0 : 1
            current[j] = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                current[j] = min(current[j], twoBack[j - 2] + 1)
            }
        }
        twoBack = previous
        previous = current
    }
    return previous[b.count]
}
