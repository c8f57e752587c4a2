import LianModel

/// A task of a Python package, as its decorator declares it.
package struct PythonTask: Equatable, Sendable {
    package var id: String
    package var function: String
    package var dependencies: [String] = []
    package var description: String?
    package var retries = 0
    package var timeoutSeconds: Int?
}

extension PythonTask {
    func json(of module: String) -> JSONValue {
        [
            "id": .string(id), "function": .string("\(module):\(function)"), "dependencies": dependencies.json,
            "description": description.json, "retries": .integer(retries), "timeout_seconds": timeoutSeconds.json,
        ]
    }

    /// The tasks of a module, in the order in which Python's parser walks it.
    static func all(
        in module: ParsedModule, file: String, _ report: inout CloacinaReport
    ) throws(CloacinaError) -> [PythonTask] {
        var reading = TaskReading(file: file)
        defer { report.warnings += reading.warnings }
        var tasks: [PythonTask] = []
        for function in module.functions { tasks.append(try reading.task(function)) }
        guard !tasks.isEmpty else {
            throw CloacinaError(
                .noTasks, .discovery, "\(file) has no function with the decorator @task",
                hint: "Decorate the package's tasks with @cloaca.task(), or correct tool.cloaca.entry_module.")
        }
        try reading.resolveDependencies(of: &tasks, module.functions)
        try reading.refuseCycles(tasks, module.functions)
        return tasks
    }
}

private struct TaskReading {
    let file: String
    var warnings: [CloacinaWarning] = []

    mutating func task(_ function: ParsedModule.Function) throws(CloacinaError) -> PythonTask {
        guard !function.isAsync else {
            throw failure(
                .asyncTask, "the task \(function.name) is an async function, which the engine does not await", function,
                hint: "Make it a plain function: asyncio.run() inside it runs what has to be awaited.")
        }
        if function.isBare || function.isPositional {
            let what = function.isBare ? "without parentheses" : "with arguments that are no keywords"
            warnings.append(
                .init(
                    .bareDecorator,
                    "\(place(function)): \(function.name) has a decorator \(what); the engine takes keywords only: "
                        + "write @cloaca.task()"))
        }
        var task = PythonTask(id: try text("id", function) ?? function.name, function: function.name)
        guard !task.id.isEmpty else { throw invalid("id", "is empty", function) }
        task.description = try text("description", function)
        let retries = function.keywords["retries"] == nil ? "retry_attempts" : "retries"
        task.retries = try count(retries, function) ?? 0
        task.timeoutSeconds = try count("timeout_seconds", function)
        return task
    }

    private mutating func text(_ keyword: String, _ function: ParsedModule.Function) throws(CloacinaError) -> String? {
        switch function.keywords[keyword] {
        case nil, .some(.none): return nil
        case .text(let text): return text
        case .unknown: return notLiteral(keyword, function)
        case .integer: throw invalid(keyword, "is a number, not a text", function)
        case .list: throw invalid(keyword, "is a list, not a text", function)
        case .other(let kind): throw invalid(keyword, "is a \(kind), not a text", function)
        }
    }

    private mutating func count(_ keyword: String, _ function: ParsedModule.Function) throws(CloacinaError) -> Int? {
        switch function.keywords[keyword] {
        case nil, .some(.none): return nil
        case .integer(let number) where (0...Int(UInt32.max)).contains(number): return number
        case .integer: throw invalid(keyword, "is below 0 or above \(UInt32.max)", function)
        case .unknown: return notLiteral(keyword, function)
        case .text: throw invalid(keyword, "is a text, not a whole number", function)
        case .list: throw invalid(keyword, "is a list, not a whole number", function)
        case .other(let kind): throw invalid(keyword, "is a \(kind), not a whole number", function)
        }
    }

    /// By id, or by the name of a function that is a task itself.
    mutating func resolveDependencies(
        of tasks: inout [PythonTask], _ functions: [ParsedModule.Function]
    ) throws(CloacinaError) {
        var ids: Set<String> = []
        var idOfFunction: [String: String] = [:]
        for (task, function) in zip(tasks, functions) {
            guard ids.insert(task.id).inserted else {
                throw failure(
                    .taskDuplicate, "two tasks have the id \(task.id)", function, hint: "Give one another id.")
            }
            idOfFunction[task.function] = task.id
        }
        for index in tasks.indices {
            let function = functions[index]
            var leftOut = 0
            for dependency in try elements(function) {
                switch dependency {
                case .text(let id):
                    guard ids.contains(id) else {
                        throw failure(
                            .taskDependencyUnknown, "\(tasks[index].id) depends on \(id), which is no task here",
                            function, hint: "The tasks are \(onOneLine(ids.sorted().joined(separator: ", "))).")
                    }
                    tasks[index].dependencies.append(id)
                case .name(let name) where idOfFunction[name] != nil:
                    tasks[index].dependencies.append(idOfFunction[name] ?? name)
                case .name, .unknown: leftOut += 1
                }
            }
            guard leftOut > 0 else { continue }
            warnings.append(
                .init(
                    .notLiteral,
                    "\(place(function)): \(leftOut == 1 ? "a dependency" : "\(leftOut) dependencies") of "
                        + "\(tasks[index].id) \(leftOut == 1 ? "is" : "are") neither a text nor a task of this module, "
                        + "and \(leftOut == 1 ? "is" : "are") left out"))
        }
    }

    private mutating func elements(_ function: ParsedModule.Function) throws(CloacinaError) -> [ParsedModule.Element] {
        switch function.keywords["dependencies"] {
        case nil, .some(.none): return []
        case .list(let elements): return elements
        case .unknown: return notLiteral("dependencies", function) ?? []
        case .text: throw invalid("dependencies", "is a text, not a list", function)
        case .integer: throw invalid("dependencies", "is a number, not a list", function)
        case .other(let kind): throw invalid("dependencies", "is a \(kind), not a list", function)
        }
    }

    /// Takes away, again and again, the tasks that wait for none that is left: what cannot be taken away is in a cycle
    /// or behind one.
    func refuseCycles(_ tasks: [PythonTask], _ functions: [ParsedModule.Function]) throws(CloacinaError) {
        var waiting: [String: Int] = [:]
        var followers: [String: [String]] = [:]
        for task in tasks {
            waiting[task.id] = task.dependencies.count
            for dependency in task.dependencies { followers[dependency, default: []].append(task.id) }
        }
        var ready = tasks.filter { $0.dependencies.isEmpty }.map(\.id)
        while let id = ready.popLast() {
            waiting[id] = nil
            for follower in followers[id] ?? [] {
                let left = (waiting[follower] ?? 0) - 1
                waiting[follower] = left
                if left == 0 { ready.append(follower) }
            }
        }
        guard let index = tasks.firstIndex(where: { waiting[$0.id] != nil }) else { return }
        let stuck = tasks.filter { waiting[$0.id] != nil }.map(\.id)
        throw failure(
            .taskCycle, "these tasks wait for each other: \(onOneLine(stuck.joined(separator: ", ")))",
            functions[index],
            hint: "Take out one of their dependencies.")
    }

    // MARK: What is said

    private mutating func notLiteral<Value>(_ keyword: String, _ function: ParsedModule.Function) -> Value? {
        warnings.append(
            .init(
                .notLiteral,
                "\(place(function)): \(keyword) of \(function.name) is no literal, so its default is written into the "
                    + "package"))
        return nil
    }

    private func invalid(_ keyword: String, _ rule: String, _ function: ParsedModule.Function) -> CloacinaError {
        failure(
            .taskInvalid, "\(keyword) of the task \(function.name) \(rule)", function,
            hint: "id and description are texts, retries and timeout_seconds whole numbers, dependencies a list.")
    }

    private func failure(
        _ code: CloacinaCode, _ message: String, _ function: ParsedModule.Function, hint: String
    ) -> CloacinaError {
        CloacinaError(
            code, .discovery, message, hint: hint,
            place: .init(file: file, line: function.line, column: function.column))
    }

    private func place(_ function: ParsedModule.Function) -> String { "\(file):\(function.line)" }
}
