/// The classes that Go's expressions have names for. All of them are ASCII.
enum RegexClasses {
    static let digits = ScalarSet(0x30...0x39)
    static let spaces = ScalarSet(0x09...0x0A, 0x0C...0x0D, 0x20...0x20)
    static let words = ScalarSet(0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A)
    static let alphanumerics = ScalarSet(0x30...0x39, 0x41...0x5A, 0x61...0x7A)

    /// The class of `[:name:]`, or its opposite for `[:^name:]`.
    static func named(_ name: String) -> ScalarSet? {
        guard name.hasPrefix("^") else { return classes[name] }
        return classes[String(name.dropFirst())]?.inverted
    }

    private static let classes: [String: ScalarSet] = [
        "alnum": alphanumerics,
        "alpha": ScalarSet(0x41...0x5A, 0x61...0x7A),
        "ascii": ScalarSet(0x00...0x7F),
        "blank": ScalarSet(0x09...0x09, 0x20...0x20),
        "cntrl": ScalarSet(0x00...0x1F, 0x7F...0x7F),
        "digit": digits,
        "graph": ScalarSet(0x21...0x7E),
        "lower": ScalarSet(0x61...0x7A),
        "print": ScalarSet(0x20...0x7E),
        "punct": ScalarSet(0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E),
        "space": ScalarSet(0x09...0x0D, 0x20...0x20),
        "upper": ScalarSet(0x41...0x5A),
        "word": words,
        "xdigit": ScalarSet(0x30...0x39, 0x41...0x46, 0x61...0x66),
    ]

    static func hexadecimalValue(_ scalar: UInt32) -> UInt32? {
        switch scalar {
        case 0x30...0x39: scalar - 0x30
        case 0x41...0x46: scalar - 0x41 + 10
        case 0x61...0x66: scalar - 0x61 + 10
        default: nil
        }
    }
}
