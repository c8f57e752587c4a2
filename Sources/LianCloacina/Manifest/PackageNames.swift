import LianModel

/// The names of a package become names of files: they hold what is harmless there, and begin with a letter or a digit.
package enum PackageNames {
    package static func check(name: String) throws(CloacinaError) {
        try check(
            name, .nameInvalid, "name", most: 128, beside: "._-", "A-Z, a-z, 0-9, '.', '_' and '-'")
    }

    package static func check(version: String) throws(CloacinaError) {
        try check(
            version, .versionInvalid, "version", most: 64, beside: ".+_-", "A-Z, a-z, 0-9, '.', '+', '_' and '-'")
    }

    private static func check(
        _ text: String, _ code: CloacinaCode, _ what: String, most: Int, beside signs: String, _ alphabet: String
    ) throws(CloacinaError) {
        guard (1...most).contains(text.utf8.count), text.utf8.first.map(Identifier.isAlphanumeric) == true,
            text.utf8.allSatisfy({ Identifier.isAlphanumeric($0) || signs.utf8.contains($0) })
        else {
            throw CloacinaError(
                code, .project, "the package's \(what) '\(onOneLine(text, limit: 40))' cannot be the name of a file",
                hint: "Take 1 to \(most) of \(alphabet), the first a letter or a digit.")
        }
    }
}
