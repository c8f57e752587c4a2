import CBzip2
import CZlib

/// What an archive's file is compressed by.
package enum ArchiveFormat: String, Sendable {
    /// bzip2, as hosts of today take it.
    case bzip2
    /// gzip, with a manifest.json.
    case gzip

    /// By how a file begins.
    init?(beginning bytes: some Collection<UInt8>) {
        if bytes.starts(with: "BZh".utf8) {
            self = .bzip2
        } else if bytes.starts(with: [0x1F, 0x8B]) {
            self = .gzip
        } else {
            return nil
        }
    }
}

/// Gives an archive's bytes as they were before compression. Several streams one after another are one.
final class Decompressor {
    let format: ArchiveFormat
    private let input: ArchiveInput
    private var bzip2 = bz_stream()
    private var zlib = z_stream()
    private var isInStream = false
    private(set) var hasEnded = false
    /// Whether something follows the last stream that is none.
    private(set) var hasTrailingBytes = false

    init(_ input: ArchiveInput) throws(CloacinaError) {
        self.input = input
        let start = try input.peek(4)
        if let format = ArchiveFormat(beginning: start) {
            self.format = format
        } else {
            let isZip = start.starts(with: [0x50, 0x4B])
            throw CloacinaError(
                .archiveFormat, .archive,
                isZip
                    ? "\(input.path) is a zip file, and no host has ever read one: a package is a tar in bzip2"
                    : "\(input.path) is no package: it begins neither as bzip2 nor as gzip",
                hint: "Make the archive by 'package pack'.")
        }
    }

    deinit {
        endStream()
    }

    /// How many bytes were written to the buffer; none at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(CloacinaError) -> Int {
        while !hasEnded {
            if !isInStream, try !beginStream() { break }
            let bytes = try input.peek()
            let before = bytes.count
            let (left, written, state) =
                switch format {
                case .bzip2: bunzip(bytes, buffer)
                case .gzip: gunzip(bytes, buffer)
                }
            input.skip(before - left)
            switch state {
            case .goesOn where written == 0 && before == 0:
                throw CloacinaError(
                    .archiveTruncated, .archive, "\(input.path) ends in the midst of its compressed data",
                    hint: "Copy it again, whole.")
            case .goesOn: break
            case .ended: endStream()
            case .isCorrupt:
                throw CloacinaError(
                    .archiveCorrupt, .archive, "\(input.path): its compressed data is damaged",
                    hint: "Copy it again, or pack it anew.")
            }
            if written > 0 { return written }
        }
        return 0
    }

    private enum StreamState { case goesOn, ended, isCorrupt }

    /// False at the end of all streams. Whether a first one is there is known.
    private func beginStream() throws(CloacinaError) -> Bool {
        let start = try input.peek(4)
        let mark: [UInt8] = format == .bzip2 ? Array("BZh".utf8) : [0x1F, 0x8B]
        guard start.starts(with: mark) else {
            hasEnded = true
            hasTrailingBytes = !start.isEmpty
            return false
        }
        switch format {
        case .bzip2:
            bzip2 = bz_stream()
            BZ2_bzDecompressInit(&bzip2, 0, 0)
        case .gzip:
            zlib = z_stream()
            _ = lian_inflate_gzip(&zlib)
        }
        isInStream = true
        return true
    }

    private func endStream() {
        guard isInStream else { return }
        isInStream = false
        switch format {
        case .bzip2: BZ2_bzDecompressEnd(&bzip2)
        case .gzip: inflateEnd(&zlib)
        }
    }

    private func bunzip(
        _ bytes: ArraySlice<UInt8>, _ buffer: UnsafeMutableRawBufferPointer
    ) -> (left: Int, written: Int, StreamState) {
        bytes.withUnsafeBytes { bytes in
            bzip2.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
            bzip2.avail_in = UInt32(bytes.count)
            bzip2.next_out = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            bzip2.avail_out = UInt32(buffer.count)
            let result = BZ2_bzDecompress(&bzip2)
            let state: StreamState = result == BZ_OK ? .goesOn : result == BZ_STREAM_END ? .ended : .isCorrupt
            return (Int(bzip2.avail_in), buffer.count - Int(bzip2.avail_out), state)
        }
    }

    private func gunzip(
        _ bytes: ArraySlice<UInt8>, _ buffer: UnsafeMutableRawBufferPointer
    ) -> (left: Int, written: Int, StreamState) {
        bytes.withUnsafeBytes { bytes in
            zlib.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            zlib.avail_in = UInt32(bytes.count)
            zlib.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            zlib.avail_out = UInt32(buffer.count)
            let result = inflate(&zlib, Z_NO_FLUSH)
            // Z_BUF_ERROR: it needs more input, or more room.
            let state: StreamState =
                result == Z_OK || result == Z_BUF_ERROR ? .goesOn : result == Z_STREAM_END ? .ended : .isCorrupt
            return (Int(zlib.avail_in), buffer.count - Int(zlib.avail_out), state)
        }
    }
}
