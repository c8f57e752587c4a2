/// The name a person most likely meant, or nil where none is near.
package func nearestName(to typed: String, among names: [String]) -> String? {
    let limit = max(1, min(3, typed.count / 3))
    // A long word cannot be a slip of a short name, and comparing it would cost its square.
    guard typed.utf8.count <= 64 else { return nil }
    let ranked = names.map { (name: $0, distance: editDistance(typed, $0)) }
    guard let best = ranked.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
    return best.distance <= limit ? best.name : nil
}

/// Damerau's distance with adjacent swaps: "imgae" is one slip away from "image".
private func editDistance(_ left: String, _ right: String) -> Int {
    let a = Array(left.utf8)
    let b = Array(right.utf8)
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
