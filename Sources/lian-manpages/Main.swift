import Glibc
import LianCLI
import LianCloacinaCLI
import LianFlags
import LianModel
import LianOrchestrator
import LianSystem

/// `lian-manpages FOLDER` writes the man page of each program into the folder, as NAME.SECTION.
@main
struct Main {
    static func main() {
        guard CommandLine.arguments.count == 2 else { fail("usage: lian-manpages FOLDER", status: 2) }
        let programs = [CommandSyntax.lianBuild, .lianOrchestrator, .cloacina]
        for program in programs {
            let others = programs.map(\.name).filter { $0 != program.name }
            let page = ManPage.page(for: program, version: lianBuildVersion, seeAlso: others)
            do {
                try replaceFile("\(CommandLine.arguments[1])/\(program.name).\(ManPage.section)", page, mode: 0o644)
            } catch {
                fail("lian-manpages: \(error)", status: 1)
            }
        }
    }

    static func fail(_ message: String, status: Int32) -> Never {
        let text = Array("\(message)\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
        exit(status)
    }
}
