import Glibc

/// The one writer of stdout.
package struct StandardOutput: Sendable {
    private let descriptor: Int32

    package init(descriptor: Int32 = STDOUT_FILENO) {
        self.descriptor = descriptor
    }

    package func write(_ text: String) throws(SystemError) {
        try writeAll(descriptor, Array(text.utf8))
    }

    package func line(_ text: String) throws(SystemError) {
        try write(text + "\n")
    }
}
