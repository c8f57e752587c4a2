import Glibc
import LianCLI
import LianSystem

@main
struct Main {
    static func main() async {
        let application = Application(
            arguments: Array(CommandLine.arguments.dropFirst()), environment: processEnvironment())
        exit(await application.run())
    }
}
