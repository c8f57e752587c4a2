import Foundation
import Glibc
import LianModel
import LianSSH
import LianSystem
import LianTestSupport
import Testing

@Suite struct ChannelTests {
    @Test func outputErrorAndStatusArrive() async throws {
        try await withConnection { _, connection in
            let result = try await connection.finish("cat; printf err >&2; exit 7", input: Array("in".utf8))
            #expect(result.text == "in")
            #expect(result.error == Array("err".utf8))
            #expect(result.end == RemoteEnd(isClean: true, exitStatus: 7, signal: nil))
        }
    }

    @Test func everyExitStatusIsTold() async throws {
        try await withConnection { _, connection in
            for status in 0...255 {
                let result = try await connection.finish("exit \(status)")
                #expect(result.end == RemoteEnd(isClean: true, exitStatus: Int32(status), signal: nil))
            }
        }
    }
}
