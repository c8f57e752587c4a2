/// Whether a runner may build for a platform that is not its own.
package enum Emulation: String, CaseIterable, Sendable {
    case auto, never
}
