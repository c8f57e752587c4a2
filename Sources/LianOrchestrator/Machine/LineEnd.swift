extension String {
    func trimmingLineEnd() -> String {
        var text = self[...]
        while text.last?.isNewline == true || text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
