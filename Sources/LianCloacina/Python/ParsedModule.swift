import LianModel

/// What Python's parser found in the entry module.
struct ParsedModule: Equatable, Sendable {
    struct Function: Equatable, Sendable {
        var name: String
        var line: Int
        var column: Int
        var isAsync = false
        /// The decorator stands without parentheses.
        var isBare = false
        /// The decorator has arguments that are no keywords.
        var isPositional = false
        var keywords: [String: Literal] = [:]
    }

    enum Literal: Equatable, Sendable {
        case none
        case text(String)
        case integer(Int)
        case list([Element])
        /// Another kind of value, by Python's name for it.
        case other(String)
        /// Only running the module would tell.
        case unknown
    }

    enum Element: Equatable, Sendable {
        case text(String)
        case name(String)
        case unknown
    }

    var pythonVersion: String
    var functions: [Function]

    /// Has the interpreter parse the source. `file` is how people know it.
    init(source: [UInt8], file: String, _ interpreter: PythonInterpreter) async throws(CloacinaError) {
        let script = String(decoding: PackageResources.discover_py, as: UTF8.self)
        let bytes = try await interpreter.run(script: script, input: source)
        let answer: Answer
        do {
            answer = try Answer(JSONNode(try JSONValue.parse(bytes)))
        } catch {
            throw interpreter.failure("gave an answer that is none: \(error)")
        }
        if answer.isTooOld {
            throw CloacinaError(
                .pythonTooOld, .discovery, "\(interpreter.path) is Python \(answer.version); 3.8 or newer is needed",
                hint: "Name a newer one with --python PATH or CLOACA_PYTHON.")
        }
        if let error = answer.syntaxError {
            throw CloacinaError(
                .pythonSyntax, .discovery, "Python \(answer.version) cannot parse \(file): \(error.message)",
                hint: "Correct the file, or name an interpreter that knows its grammar with --python PATH.",
                place: .init(file: file, line: error.line, column: error.column))
        }
        pythonVersion = answer.version
        functions = answer.functions
    }
}

/// What discover.py writes.
private struct Answer {
    var version = ""
    var isTooOld = false
    var syntaxError: (message: String, line: Int, column: Int)?
    var functions: [ParsedModule.Function] = []

    init(_ node: JSONNode) throws {
        var record = try node.record()
        version = try record.required("version").items().map { String(try $0.integer(in: 0...9999)) }
            .joined(separator: ".")
        isTooOld = try record.optional("too_old")?.bool() ?? false
        if let error = try record.optional("syntax_error") {
            var error = try error.record()
            syntaxError = (
                try error.required("message").string(), max(1, try error.required("line").integer(in: -1...Int.max)),
                max(1, try error.required("column").integer(in: -1...Int.max))
            )
        }
        functions = try record.optional("tasks")?.items().map { try ParsedModule.Function($0) } ?? []
    }
}

extension ParsedModule.Function {
    fileprivate init(_ node: JSONNode) throws {
        var record = try node.record()
        name = try record.required("function").string()
        line = try record.required("line").integer(in: 1...Int.max)
        column = try record.required("column").integer(in: 1...Int.max)
        isAsync = try record.required("is_async").bool()
        isBare = try record.required("is_bare").bool()
        isPositional = try record.required("is_positional").bool()
        for (name, node) in try record.required("keywords").members() {
            keywords[name] = try ParsedModule.Literal(node)
        }
    }
}

extension ParsedModule.Literal {
    fileprivate init(_ node: JSONNode) throws {
        var record = try node.record()
        switch try record.optional("kind", nullable: true)?.string() {
        case nil: self = .unknown
        case "NoneType": self = .none
        case "str": self = .text(try record.required("value").string())
        case "int": self = .integer(try record.required("value").integer(in: Int.min...Int.max))
        case "list" where node.value["elements"] != nil:
            self = .list(try record.required("elements").items().map { try ParsedModule.Element($0) })
        case let kind?: self = .other(kind)
        }
    }
}

extension ParsedModule.Element {
    fileprivate init(_ node: JSONNode) throws {
        var record = try node.record()
        if let text = try record.optional("text") {
            self = .text(try text.string())
        } else if let name = try record.optional("name") {
            self = .name(try name.string())
        } else {
            self = .unknown
        }
    }
}
