import Foundation
import LianSystem

/// Writes a shell script that can be started at once. A child writes it: had this process the file open, a child that
/// another test starts in that moment would hold it open too, and the script would be "text file busy".
package func writeScript(_ body: String, to file: URL) throws {
    let result = try runBlocking(
        Command(
            "/bin/sh", ["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"", file.path, body],
            environment: ["PATH": "/usr/bin:/bin"]),
        deadline: .seconds(300))
    guard result.termination.isSuccess else { throw ScriptNotWritten(reason: result.errorText) }
}

package struct ScriptNotWritten: Error {
    package let reason: String
}
