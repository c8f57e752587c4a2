import CZlib
import LianSystem

/// Writes the archive of before: gzip of a tar with entries for folders, each before what is in it. The members come in
/// this order, those in folders sorted below `folders` by the names on their paths; a folder is there also when empty.
func writeLegacyArchive(
    _ members: [ArchiveMember], folders: [String], modified: Int, to draft: FileDraft, _ stop: StopRequest
) throws(CloacinaError) {
    let output = GzipWriter { bytes throws(CloacinaError) in
        do throws(SystemError) { try draft.write(bytes) } catch { throw .unwritable(draft.draftPath, error) }
    }
    for entry in legacyOrder(members, folders: folders) {
        switch entry {
        case .folder(let path):
            try output.write(TarHeader.member("\(path)/", .folder, size: 0, modified: modified)[...])
        case .file(let member):
            try output.write(
                TarHeader.member(member.path, size: member.size, isExecutable: member.isExecutable, modified: modified)[
                    ...])
            try member.read(stop) { bytes throws(CloacinaError) in try output.write(bytes) }
            try output.write(TarHeader.padding(after: member.size)[...])
        }
    }
    try output.write(TarHeader.end[...])
    try output.finish()
}

enum LegacyEntry {
    case folder(String)
    case file(ArchiveMember)

    var path: String {
        switch self {
        case .folder(let path): path
        case .file(let member): member.path
        }
    }
}

/// manifest.json, then the folders with all that is in them, then the other files.
func legacyOrder(_ members: [ArchiveMember], folders: [String]) -> [LegacyEntry] {
    let tops = ["manifest.json"] + folders
    var entries: [LegacyEntry] = members.map { .file($0) }
    var known: Set<[UInt8]> = []
    for folder in folders where known.insert(Array(folder.utf8)).inserted { entries.append(.folder(folder)) }
    for member in members {
        var parent = member.path.utf8[...]
        while let slash = parent.lastIndex(of: UInt8(ascii: "/")) {
            parent = parent[..<slash]
            if known.insert(Array(parent)).inserted { entries.append(.folder(String(Substring(parent)))) }
        }
    }
    let keyed = entries.map { entry in
        let names = pathParts(entry.path).map { Array($0.utf8) }
        let top = tops.firstIndex(of: String(decoding: names[0], as: UTF8.self)) ?? tops.count
        return (entry: entry, top: top, names: names)
    }
    return keyed.sorted { left, right in
        if left.top != right.top { return left.top < right.top }
        return left.names.lexicographicallyPrecedes(right.names) { $0.lexicographicallyPrecedes($1) }
    }.map(\.entry)
}

/// Compresses to gzip at level 9, without a name and a time.
private final class GzipWriter {
    private var stream = z_stream()
    private let sink: ([UInt8]) throws(CloacinaError) -> Void
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    init(sink: @escaping ([UInt8]) throws(CloacinaError) -> Void) {
        self.sink = sink
        _ = lian_deflate_gzip(&stream)
    }

    deinit {
        deflateEnd(&stream)
    }

    func write(_ bytes: ArraySlice<UInt8>) throws(CloacinaError) { try deflate(bytes, Z_NO_FLUSH) }

    func finish() throws(CloacinaError) { try deflate([], Z_FINISH) }

    private func deflate(_ bytes: ArraySlice<UInt8>, _ flush: Int32) throws(CloacinaError) {
        var rest = bytes
        var isDone = false
        while !isDone {
            let (left, written) = rest.withUnsafeBufferPointer { input in
                buffer.withUnsafeMutableBufferPointer { output in
                    stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                    stream.avail_in = UInt32(input.count)
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(output.count)
                    CZlib.deflate(&stream, flush)
                    return (Int(stream.avail_in), output.count - Int(stream.avail_out))
                }
            }
            if written > 0 { try sink(Array(buffer[..<written])) }
            rest = rest.suffix(left)
            // With room left over it has nothing more to give.
            isDone = written < buffer.count && rest.isEmpty
        }
    }
}
