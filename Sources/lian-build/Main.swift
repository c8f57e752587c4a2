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
        // At once: what libraries tear down at an orderly exit, threads of theirs and of the pool may still be using.
        // All that is printed was written through by then.
        Task { _exit(await application.run()) }
        dispatchMain()
    }
}
