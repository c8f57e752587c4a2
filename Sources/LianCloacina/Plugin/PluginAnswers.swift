import CloacinaPlugin
import LianModel

extension LoadedLibrary.Answer: JSONEncodable {
    /// What was answered, as far as its form is known here. `answer` is null also where it could not be read.
    var json: JSONValue {
        [
            "index": .integer(method), "name": .string(PluginInterface.methods[method]),
            "status": .integer(Int(status)), "bytes": .integer(bytes.count), "error": refusal ?? .null,
            "answer": told ?? .null,
        ]
    }

    private var refusal: JSONValue? {
        guard status == -3 else { return nil }
        return read { reader throws(WireReader.Failure) in
            ["code": .string(try reader.text()), "message": .string(try reader.text())]
        }
    }

    private var told: JSONValue? {
        guard status == 0 else { return nil }
        return switch PluginInterface.methods[method] {
        case "get_task_metadata": read { reader throws(WireReader.Failure) in try reader.tasks() }
        case "get_trigger_metadata":
            read { reader throws(WireReader.Failure) in
                try reader.list { reader throws(WireReader.Failure) in try reader.trigger() }
            }
        default: nil
        }
    }

    private func read(_ body: (inout WireReader) throws(WireReader.Failure) -> JSONValue) -> JSONValue? {
        bytes.withUnsafeBytes { bytes in
            var reader = WireReader(bytes)
            do throws(WireReader.Failure) { return try body(&reader) } catch { return nil }
        }
    }
}

extension WireReader {
    fileprivate mutating func tasks() throws(Failure) -> JSONValue {
        [
            "workflow_name": .string(try text()), "package_name": .string(try text()),
            "description": try optionalText(), "author": try optionalText(), "fingerprint": try optionalText(),
            "graph_data_json": try optionalText(),
            "tasks": try list { reader throws(Failure) in try reader.task() },
            "triggers": try list { reader throws(Failure) in .string(try reader.text()) },
        ]
    }

    private mutating func task() throws(Failure) -> JSONValue {
        [
            "index": .integer(Int(try number(as: UInt32.self))), "id": .string(try text()),
            "namespaced_id": .string(try text()),
            "dependencies": try list { reader throws(Failure) in .string(try reader.text()) },
            "description": .string(try text()), "source_location": .string(try text()),
            "trigger_rules": .string(try text()), "requires_handle": .bool(try flag()),
        ]
    }

    fileprivate mutating func trigger() throws(Failure) -> JSONValue {
        [
            "name": .string(try text()), "workflow_name": .string(try text()), "package_name": .string(try text()),
            "poll_interval": .string(try text()), "cron": try optionalText(), "allow_concurrent": .bool(try flag()),
        ]
    }

    fileprivate mutating func list(
        _ element: (inout WireReader) throws(Failure) -> JSONValue
    ) throws(Failure) -> JSONValue {
        var elements: [JSONValue] = []
        var left = try number(as: UInt64.self)
        // Each element takes some bytes, so that the input's end ends what a length may claim.
        while left > 0 {
            elements.append(try element(&self))
            left -= 1
        }
        return .array(elements)
    }

    private mutating func flag() throws(Failure) -> Bool {
        switch try number(as: UInt8.self) {
        case 0: false
        case 1: true
        default: throw Failure()
        }
    }

    private mutating func optionalText() throws(Failure) -> JSONValue {
        try flag() ? .string(try text()) : .null
    }
}
