import Glibc
import LianOrchestrator
import LianSystem

@main
struct Main {
    static func main() async {
        let status = await Orchestrator.main(
            Array(CommandLine.arguments.dropFirst()), environment: processEnvironment())
        fflush(nil)
        // At once, as lian-build ends: what libraries tear down at an orderly exit, their threads may still be using.
        _exit(status)
    }
}
