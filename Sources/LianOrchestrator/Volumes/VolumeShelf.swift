import LianModel
import LianSystem

/// The volumes of one place: how they are stored there, and the chores that are due.
final class VolumeShelf: Sendable {
    let place: Place
    let storage: any VolumeStorage
    let chores = Lock()
    let choresAreDue = Guarded(false)
    private let seenRoom = Guarded<VolumeRoom?>(nil)

    init(_ storage: any VolumeStorage, at place: Place) {
        self.storage = storage
        self.place = place
    }

    func room() throws(VolumeStorageError) -> VolumeRoom {
        let room = try storage.room()
        seenRoom.set(room)
        return room
    }

    /// How much room there is, without a question to other machines: there, what the last chore has seen.
    var knownRoom: VolumeRoom? { place == .machine ? try? storage.room() : seenRoom.value }
}
