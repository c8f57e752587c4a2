import Dispatch
import Glibc
import LianCloacina
import LianCloacinaCLI
import LianSystem

@main
struct Main {
    /// Not async: the runtime would open descriptors of its own before the first line here.
    static func main() {
        holdStandardDescriptors()
        if let library = LibraryLoading.path(askedBy: CommandLine.arguments) {
            // At once: what a library does at an orderly exit is of no use to anyone.
            _exit(LibraryLoading.loadHere(library))
        }
        let application = CloacinaApplication(arguments: CommandLine.arguments, environment: processEnvironment())
        // At once: threads of the pool and of libraries may still be at work.
        Task { _exit(await application.run()) }
        dispatchMain()
    }
}
