/// The methods that a package answers: of those of the interface, the first nine.
enum PluginMethod {
    case taskMetadata, executeTask, graphMetadata, executeGraph, reactorMetadata, triggerMetadata, pollTrigger
    case triggerlessGraphMetadata, invokeTriggerlessGraph
}

struct PluginAnswer {
    enum Status: Int32 {
        case done = 0
        case inputUnreadable = -2
        /// The bytes are a PluginError.
        case refused = -3
    }

    let status: Status
    let bytes: [UInt8]

    static let inputUnreadable = PluginAnswer(status: .inputUnreadable, bytes: [])

    static func done(_ write: (inout WireWriter) -> Void) -> PluginAnswer {
        var writer = WireWriter()
        write(&writer)
        return PluginAnswer(status: .done, bytes: writer.bytes)
    }

    static func refused(code: String, _ message: String) -> PluginAnswer {
        var writer = WireWriter()
        writer.append(code)
        writer.append(message)
        // Details: none.
        writer.append(String?.none)
        return PluginAnswer(status: .refused, bytes: writer.bytes)
    }
}

extension CloacinaPackage {
    func answer(_ method: PluginMethod, _ input: UnsafeRawBufferPointer) -> PluginAnswer {
        var reader = WireReader(input)
        do throws(WireReader.Failure) {
            switch method {
            case .taskMetadata: return taskMetadata()
            // Secrets and the number of the execution may follow; nothing here asks for them.
            case .executeTask: return execute(task: try reader.text(), contextText: try reader.text())
            case .graphMetadata, .executeGraph:
                return .refused(code: "NOT_SUPPORTED", "This package has no computation graphs.")
            case .reactorMetadata, .triggerlessGraphMetadata: return .done { $0.append([String]()) }
            case .triggerMetadata: return triggerMetadata()
            case .pollTrigger: return poll(trigger: try reader.text())
            case .invokeTriggerlessGraph: return outcome(.failure("Unknown trigger-less graph"))
            }
        } catch {
            return .inputUnreadable
        }
    }

    private func taskMetadata() -> PluginAnswer {
        if let fault { return .refused(code: "INVALID_PACKAGE", fault) }
        return .done { writer in
            writer.append(workflow)
            writer.append(name)
            writer.append(description)
            writer.append(author)
            // The fingerprint, and the data of a graph: none.
            writer.append(String?.none)
            writer.append(String?.none)
            writer.append(Array(tasks.enumerated())) { writer, numbered in
                let (index, task) = numbered
                writer.append(UInt32(truncatingIfNeeded: index))
                writer.append(task.id)
                writer.append("{tenant}::\(name)::\(workflow)::\(task.id)")
                writer.append(task.after)
                writer.append(task.description)
                writer.append(task.source ?? name)
                writer.append(#"{"type":"Always"}"#)
                // Whether it asks for a handle by which it can wait.
                writer.append(false)
            }
            // Triggers that the workflow itself would subscribe to. Those of the package name their workflow.
            writer.append([String]())
        }
    }

    private func execute(task id: String, contextText: String) -> PluginAnswer {
        guard let task = tasks.first(where: { $0.id == id }) else { return outcome(.failure("Unknown task: \(id)")) }
        do {
            var context = try ContextReader.read(contextText)
            try task.run(&context)
            return outcome(.success(context))
        } catch let error as ContextReader.Failure {
            return outcome(.failure("The context cannot be read: \(error)"))
        } catch {
            return outcome(.failure("\(error)"))
        }
    }

    private func triggerMetadata() -> PluginAnswer {
        .done { writer in
            writer.append(triggers) { writer, trigger in
                writer.append(trigger.name)
                writer.append(trigger.workflow)
                writer.append(name)
                writer.append("\(trigger.pollMilliseconds ?? 0)ms")
                writer.append(trigger.cron)
                writer.append(trigger.allowsConcurrent)
            }
        }
    }

    private func poll(trigger name: String) -> PluginAnswer {
        guard let trigger = triggers.first(where: { $0.name == name }) else {
            return outcome(.failure("Unknown trigger: \(name)"))
        }
        do {
            switch try trigger.poll() {
            case .skip: return outcome(.nothing)
            case .fire(let context): return outcome(.success(context))
            }
        } catch {
            return outcome(.failure("\(error)"))
        }
    }

    private enum Outcome {
        case success(PackageContext)
        case nothing
        case failure(String)
    }

    /// Tasks and triggers answer alike: whether it succeeded (or fires), the context, the error.
    private func outcome(_ outcome: Outcome) -> PluginAnswer {
        .done { writer in
            switch outcome {
            case .success(let context):
                writer.append(true)
                writer.append(Optional(ContextWriter.write(context)))
                writer.append(String?.none)
            case .nothing:
                writer.append(false)
                writer.append(String?.none)
                writer.append(String?.none)
            case .failure(let reason):
                writer.append(false)
                writer.append(String?.none)
                writer.append(Optional(reason))
            }
        }
    }
}
