import Glibc
import LianOrchestrator
import LianSystem

@main
struct Main {
    static func main() async {
        exit(await Orchestrator.main(Array(CommandLine.arguments.dropFirst()), environment: processEnvironment()))
    }
}
