/// TOML documents, right and wrong: written by hand, and generated of parts that get in each other's way.
package enum TOMLDocuments {
    package static var written: [String] { whole + values.map { "x = \($0)\n" } + keys.map { "\($0) = 1" } + tables }

    /// Few keys and many ways to say them, so that a document often comes back to what it has said.
    package static func generated(_ random: inout SeededGenerator) -> String {
        let lineEnd = random.pick(["\n", "\n", "\n", "\r\n", " # c\n", "\t\n\n"])
        return (0..<Int.random(in: 1...9, using: &random)).map { _ in statement(&random) }
            .joined(separator: lineEnd)
    }

    private static func statement(_ random: inout SeededGenerator) -> String {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: ""
        case 1...2: "[\(path(&random))]"
        case 3: "[[\(path(&random))]]"
        default: "\(path(&random)) = \(value(&random, depth: 0))"
        }
    }

    private static func path(_ random: inout SeededGenerator) -> String {
        (0..<random.pick([1, 1, 2, 2, 3])).map { _ in random.pick(keyParts) }
            .joined(separator: random.pick([".", ".", " . "]))
    }

    private static func value(_ random: inout SeededGenerator, depth: Int) -> String {
        guard depth < 3 else { return random.pick(values) }
        let count = Int.random(in: 0...3, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            return "["
                + (0..<count).map { _ in value(&random, depth: depth + 1) }
                .joined(separator: random.pick([",", ", ", ",\n", " , # c\n"])) + random.pick(["]", ",]", "\n]", ""])
        case 1:
            return "{"
                + (0..<count).map { _ in "\(path(&random)) = \(value(&random, depth: depth + 1))" }
                .joined(separator: random.pick([",", ", ", ",", ",\n"])) + random.pick(["}", " }", ",}"])
        default: return random.pick(values)
        }
    }

    private static let keyParts = [
        "a", "a", "b", "b", "c", "\"a\"", "'b'", "\"\\u0061\"", "é", "\"é\"", "\"e\u{301}\"", "\"\"", "1", "-", "_",
    ]

    private static let keys = [
        "a", "A-Z_0-9", "1", "1.2", "-", "_", "\"\"", "''", "\"a b\"", "'a\\b'", "a . b", "a.\t\"b\".'c'", "é", "\"é\"",
        "a b", "a.", ".a", "a..b", "", "\"\"\"a\"\"\"", "'''a'''", "\"a\nb\"", "'a", "\"a", "\"\\u00e9\"",
        "\"\\ud800\"", "a+",
        "true", "inf", "1979-05-27", "\"\u{0}\"", "\"\u{7f}\"", "\"\t\"", "a=b", "a\nb", "\u{FEFF}a", "a\u{A0}",
    ]

    private static let values = [
        // Whole numbers.
        "0", "+0", "-0", "1", "+1", "-1", "01", "-01", "1_000", "1__000", "_1", "1_", "+_1", "0x", "0x1F",
        "0xdead_BEEF", "0x_1",
        "0x1_", "0xg", "+0x1", "0X1", "0o17", "0o8", "0o7_7", "0b101", "0b2", "0b1_", "9223372036854775807",
        "-9223372036854775808", "9223372036854775808", "0x7fffffffffffffff", "0xffffffffffffffff", "1 2", "１", "٣",
        "0_0", "00",
        // Floats.
        "0.0", "-0.0", "+1.5", "1.", ".5", "1.5.2", "1e5", "1E5", "1e+5", "1e-5", "1e", "1e+", "1.e5", "1e5.0",
        "1_0.0_1",
        "1._0", "1.0_", "1e1_0", "1e_1", "0e0", "1e400", "-1e400", "5e-324", "1e-400", "3.14159265358979", "0.1",
        "01.5", "inf",
        "+inf", "-inf", "nan", "+nan", "-nan", "Inf", "NaN", "infinity", "+ 1", "1.7976931348623157e308",
        // Booleans and what is no value.
        "true", "false", "True", "TRUE", "truefalse", "tru", "", "#", "null", "a", "=", ",", "]", "}", "true false",
        // Dates and times.
        "1979-05-27", "1979-05-27T07:32:00Z", "1979-05-27t07:32:00z", "1979-05-27 07:32:00",
        "1979-05-27T07:32:00.5-07:00",
        "1979-05-27T07:32:00.123456789+23:59", "07:32:00", "07:32:00.9", "07:32", "24:00:00", "23:60:00", "23:59:60",
        "1979-02-29", "2000-02-29", "1900-02-29", "1979-13-01", "1979-00-01", "1979-01-00", "1979-01-32", "0000-01-01",
        "0001-01-01", "9999-12-31", "79-05-27", "1979-5-27", "1979-05-27T", "1979-05-27 ", "1979-05-27T07:32",
        "1979-05-27T07:32:00+24:00", "1979-05-27T07:32:00+1:00", "1979-05-27T07:32:00.Z", "07:32:00Z", "07:32:00.",
        "1979-05-27  07:32:00", "1979-05-27T25:00:00", "1979-05-27_07:32:00", "1979-05-27T07:32:00 Z", "10000-01-01",
        // Texts on one line.
        "\"\"", "''", "\"a\"", "'a'", "\"é😀\"", "\"\\b\\t\\n\\f\\r\\\"\\\\\"", "\"\\e\"", "\"\\/\"", "\"\\u00e9\"",
        "\"\\U0001F600\"",
        "\"\\ud800\"", "\"\\U00110000\"", "\"\\u12\"", "\"\\u+123\"", "\"\\U0000\"", "\"a", "'a", "\"a\nb\"", "'a\nb'",
        "\"\\\"", "'\\'", "\"\t\"",
        "\"\u{1}\"", "\"\u{7f}\"", "'\u{1f}'", "\"\\\n\"", "\"a\"b", "'a''b'", "\"\u{80}\"", "\"\\x41\"", "\"\\\"",
        "\"\u{0}\"", "\"\r\"", "\"\r\n\"",
        // Texts on several.
        "\"\"\"\"\"\"", "''''''", "\"\"\"a\"\"\"", "\"\"\"\na\nb\"\"\"", "'''\na\nb'''", "\"\"\"\"a\"\"\"\"",
        "\"\"\"\"\"a\"\"\"\"\"", "\"\"\"a\"\"\"\"\"\"", "'''a''''",
        "'''a'''''", "'''a''''''", "\"\"\"a\\\n   b\"\"\"", "\"\"\"a\\  \n \n\t b\"\"\"", "\"\"\"a\\ b\"\"\"",
        "\"\"\"\\\"\"\"\"", "\"\"\"\\\n\"\"\"",
        "\"\"\"a\"\"", "'''a''", "\"\"\"\u{1}\"\"\"", "'''\u{7f}'''", "\"\"\"\r\"\"\"", "\"\"\"a\r\nb\"\"\"",
        "'''\r\na'''", "\"\"\"\\\r\n a\"\"\"", "\"\"\"\\ ",
        "\"\"\"\\u00e9\"\"\"", "\"\"\"\\q\"\"\"", "\"\"\"\\", "'''\\'''", "\"\"\" \" \"\" \"\"\"",
        "\"\"\"\\\"\\\"\\\"\"\"\"",
        // Arrays.
        "[]", "[ ]", "[1]", "[1,]", "[,]", "[1,,2]", "[1 2]", "[1", "[", "[[]]", "[[1], \"a\", {}]",
        "[\n1, # c\n2 # d\n, 3\n]", "[# c\n]",
        "[1]]", "[\r\n1\r\n]", "[\r1]", "[\n\n, 1]", "[# \u{1}\n]", "[true,false]", "[1979-05-27,07:32:00]",
        "[{a=1},{a=2}]",
        // Inline tables.
        "{}", "{ }", "{a=1}", "{a=1,}", "{,}", "{a=1 b=2}", "{a=1,a=2}", "{a.b=1,a.c=2}", "{a.b=1,a.b=2}",
        "{a=1,a.b=2}",
        "{a={},a.b=1}", "{a=[],a.b=1}", "{a.b={c=1},a.b.d=1}", "{a={b=1},a.c=2}", "{\na=1}", "{a=1\n}", "{a=[\n1\n]}",
        "{a=\"\"\"\n\"\"\"}", "{a=1", "{", "{a}", "{a=}", "{a=1}}", "{a=1 # c\n}", "{\"a\"=1,'a'=2}",
        "{a.b.c=1,a.b.d=2,a.e=3}",
        "{a=[{}],a.b=1}", "{ a = 1 , b = 2 }",
    ]

    private static let tables = [
        "", "\n", " ", "\t# c", "# \u{1}", "# \t é", "# \r", "\r", "\r\n", "a = 1\rb = 2", "a = 1 b = 2",
        "a = 1 # c\nb = 2", "=", "a",
        "a =", "a = 1\na = 2", "a = 1\n\"a\" = 2", "a.b = 1\na.b = 2", "a.b = 1\na.c = 2", "a = 1\na.b = 2",
        "a.b = 1\na = 2",
        "a = {}\na.b = 1", "a = []\na.b = 1", "a = {b = {}}\na.b.c = 1", "[a]", "[a]\n[a]", "[ a . b ]", "[a", "[]",
        "[a]]",
        "[a.]", "[.a]", "[a] x", "[a] # c", "[a]\n[a.b]\n[a]", "[a.b]\n[a]", "[a.b]\n[a]\n[a]", "[a.b]\n[a.b]",
        "[a]\nb = 1\n[a.b]",
        "[a]\nb.c = 1\n[a.b]", "[a]\nb.c = 1\n[a.b.d]", "[a]\nb.c = 1\n[a.b.c]", "[a.b]\n[a]\nb.c = 1",
        "[a.b.c]\n[a]\nb.d = 1",
        "[a.b.c]\n[a]\nb.d = 1\n[a.b]", "[a.b.c]\n[a]\nb.c.d = 1", "a.b = 1\n[a]", "a.b = 1\n[a.b]", "a.b = 1\n[a.c]",
        "a = {}\n[a]", "a = {}\n[a.b]", "a = []\n[a]", "a = []\n[a.b]", "a = [{}]\n[a.b]", "a = 1\n[a]", "a = 1\n[a.b]",
        "[[a]]", "[[a]]\n[[a]]", "[[a]]\n[a]", "[a]\n[[a]]", "[a.b]\n[[a]]", "[[a.b]]\n[a]", "[[a.b]]\n[[a]]",
        "[[a]]\n[a.b]\n[[a]]\n[a.b]",
        "[[a]]\n[a.b]\n[a.b]", "[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]", "[[a]]\n[[a.b]]\n[[a]]\n[a.b]",
        "[[a]]\nb.c = 1\n[a.b]",
        "[[a]]\nb = 1\n[[a]]\nb = 2", "[[a]]\nb = 1\nb = 2", "[[a]]\n[[a.b]]\n[a]\nc = 1", "[[a.b]]\n[a]\nb.c = 1",
        "[[a.b]]\n[a]\nb = 1",
        "a = []\n[[a]]", "a = [{}]\n[[a]]", "a = {}\n[[a]]", "a = {b = []}\n[[a.b]]", "a = 1\n[[a]]", "[ [a] ]",
        "[[a] ]", "[[a]", "[[]]",
        "[[ a . b ]]", "[\"\"]\n['']", "[\"é\"]\n[\"e\u{301}\"]", "\"é\" = 1\n\"e\u{301}\" = 2",
        "\"é\" = 1\n\"\\u00e9\" = 2", "[a]\n[b]\n[a.c]",
        "[a]\nb = {c = 1}\n[a.b]", "[a]\nb = {c = 1}\n[a.b.d]", "[a]\nb = {c = 1}\nb.d = 1", "[a]\n.b = 1", "[\na]",
        "[a\n]", "[a=1]",
        "[1.2]\n[1.\"2\"]", "a.b.c = 1\na.b = 2", "a.b = 1\na.b.c = 2", "[a]\nb = 1\n\n[c]\nb = 1\n", "\u{FEFF}a = 1",
        "a = 1\u{2028}b = 2",
    ]

    private static let whole = [
        """
        [package]
        name = "etl"
        version = "0.1.0"
        interface_version = 1

        [metadata]
        workflow_name = 'etl'
        language = "rust"
        triggers = [ { name = "hourly", cron = "0 * * * *" }, ]
        """,
        """
        [package]
        name = "my-workflow"
        edition = "2021"

        [lib]
        crate-type = ["cdylib", "rlib"]

        [features]
        default = ["packaged"]
        packaged = []

        [dependencies]
        serde = { version = "1", features = ["derive"] }
        tokio.version = "1"
        [target.'cfg(unix)'.dependencies]
        libc = "0.2"
        [[bin]]
        name = "a"
        [[bin]]
        name = "b"
        """,
        """
        [project]
        name = "my-workflow"
        version = "1.2.0"
        requires-python = ">=3.11"
        dependencies = [
          "requests>=2", # the wire
          "markupsafe; sys_platform == 'linux'",
        ]
        authors = [{name = "Ada", email = "ada@example.org"}]
        [tool.cloaca]
        entry_module = "workflow.tasks"
        """,
    ]
}
