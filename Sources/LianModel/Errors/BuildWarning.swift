/// Something that the build's owner should know although it did not fail the build.
package struct BuildWarning: Equatable, Sendable {
    package var code: WarningCode
    package var message: String

    package init(_ code: WarningCode, _ message: String) {
        self.code = code
        self.message = message
    }
}
