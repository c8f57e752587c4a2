import Dispatch
import Glibc
import LianCLI
import LianSystem

@main
struct Main {
    /// Not async: the runtime would open descriptors of its own before the first line here.
    static func main() {
        holdStandardDescriptors()
        let application = Application(
            arguments: Array(CommandLine.arguments.dropFirst()), environment: processEnvironment())
        Task { exit(await application.run()) }
        dispatchMain()
    }
}
