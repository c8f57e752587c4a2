/// Something that did not fail the build and that its owner should know.
package struct BuildWarning: Equatable, Sendable {
    package var code: WarningCode
    package var message: String

    package init(_ code: WarningCode, _ message: String) {
        self.code = code
        self.message = message
    }
}
