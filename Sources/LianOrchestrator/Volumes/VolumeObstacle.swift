/// Why a runner cannot work on the volume that was lent to it.
package enum VolumeObstacle: Equatable, Sendable {
    /// The engine does not come up with what is on it.
    case engineEnds
    /// The engine was too slow to come up, or was killed: the data need not be at fault.
    case engineIsSlow
    /// There is no place for the runner where the volume lies.
    case noRoom
    /// There is no empty one either where the runner goes.
    case cannotBeMade
}
