import LianModel
import LianSystem
import Synchronization

/// What a runner gets of a volume.
package struct Lending: Equatable, Sendable {
    package let found: RunnerVolume
    /// nil where it gets none.
    package let folder: String?

    package init(found: RunnerVolume, folder: String?) {
        self.found = found
        self.folder = folder
    }
}

/// The books of volumes: which generation there is of each, and what runners have of them. What was kept before is
/// never lost to an error, and a runner without a volume is as good as before: so hardly anything here throws.
///
/// The order of each change is chosen so that a kill at any moment leaves the old head or the new one, whole: a row says
/// what is being made before the storage makes it, one transaction turns it into the head, and what is not needed any
/// more goes last. `reconcile` carries on from wherever that was cut off.
package final class Volumes: Sendable {
    package struct Limits: Equatable, Sendable {
        /// The most bytes that one volume may have.
        package var each: Int
        /// The most that all of one place may have together; nil for half of the disk that they lie on, 200 GB at most.
        package var all: Int?
        /// How long one is kept without use.
        package var days: Int

        package init(each: Int, all: Int?, days: Int) {
            self.each = each
            self.all = all
            self.days = days
        }

        func all(in room: VolumeRoom?) -> Int { all ?? room.map { min(200 << 30, $0.size / 2) } ?? .max }
    }

    /// Finds the storage of a place, or that there is none. It throws where that cannot be found out yet, or volumes
    /// cannot be as they are wanted.
    package typealias Finder = @Sendable () throws -> FoundVolumes?

    /// The books as they are, and as they are in the store: both differ while that cannot be written.
    private struct Ledger {
        var books: VolumeBooks
        var recorded: VolumeBooks
    }

    private let store: Store
    private let currentLimits: Guarded<Limits>
    let clock: BootClock
    let log: EventLog
    let meters: Meters
    private let ledger: Mutex<Ledger>
    /// By the places whose volumes are handed out.
    private let open: Guarded<[Place: VolumeShelf]>
    /// By the places of which nobody could tell yet.
    private let awaited: Guarded<[Place: Finder]>
    private let opening = Monitor<Set<Place>>([])
    /// The runners that a call is at work on: for one runner they come one after the other.
    private let busy = Monitor<Set<String>>([])
    /// Generations on which an engine was slow to start, once.
    let slowToStart = Mutex<Set<String>>([])

    /// Nothing of a place is handed out before it is opened.
    package init(
        store: Store, awaiting finders: [Place: Finder], limits: Limits, clock: BootClock, log: EventLog,
        meters: Meters = Meters()
    ) throws(StoreError) {
        self.store = store
        currentLimits = Guarded(limits)
        self.clock = clock
        self.log = log
        self.meters = meters
        open = Guarded([:])
        awaited = Guarded(finders)
        let books = try store.volumeBooks()
        ledger = Mutex(Ledger(books: books, recorded: books))
    }

    /// The best of what its places have.
    package var support: VolumeSupport {
        let all = Set(shelves.map(\.storage.support))
        return [.clone, .exclusive].first(where: all.contains) ?? .none
    }

    /// nil where it is not known yet.
    package func support(at place: Place) -> VolumeSupport? {
        if awaits(place) { return nil }
        return shelf(at: place)?.storage.support ?? VolumeSupport.none
    }

    var limits: Limits { currentLimits.value }

    /// Other limits from now on.
    package func limit(_ limits: Limits) {
        currentLimits.set(limits)
        tidySoon()
    }

    /// The newest generation of each volume; none of a place that is not served any more.
    package func list(whereWorkspace isWanted: (String) -> Bool = { _ in true }) -> [VolumeAnswer] {
        let books = books
        return servedHeads.filter { isWanted($0.workspace) }.sorted { $0.name.description < $1.name.description }.map {
            head in
            VolumeAnswer(
                name: head.name, generation: head.number, bytes: head.bytes, engine: head.engine.name,
                platform: head.platform, provider: head.provider, createdAt: UTCTime(milliseconds: head.createdAt),
                usedAt: UTCTime(milliseconds: head.used.wallClock), inUse: books.users(of: head.id))
        }
    }

    var servedHeads: [VolumeGeneration] { books.heads.filter { isServed($0.place) } }

    /// How much room there is at each place that tells.
    var rooms: [(place: Place, room: VolumeRoom)] {
        shelves.compactMap { shelf in shelf.knownRoom.map { (shelf.place, $0) } }
    }

    /// Forgets the volume; what runners have of it goes with them. False where there is none.
    package func delete(_ name: VolumeName) -> Bool {
        let isDone = changeAnyway { books in
            guard let head = books.head(of: name), isServed(head.place) else { return false }
            for (id, generation) in books.generations where generation.name == name && generation.state != .making {
                books.generations[id]?.state = .old
            }
            // What a runner has of it is not kept under its name any more.
            for (id, lending) in books.lendings where lending.to == name { books.lendings[id]?.to = nil }
            return true
        }
        if isDone {
            log.info("volume_deleted", "the volume \(name) is deleted", ["volume": name.json])
            tidySoon()
        }
        return isDone
    }

    /// Ends the chores that are due, and undoes what was mounted unless a runner still has a volume.
    package func close() {
        for shelf in shelves {
            shelf.chores.withLock {
                shelf.choresAreDue.set(false)
                guard !books.lendings.values.contains(where: { $0.place == shelf.place }) else { return }
                do {
                    try shelf.storage.close()
                } catch {
                    log.warning("volumes_not_unmounted", "the volumes stay mounted: \(error)")
                }
            }
        }
    }
}

// MARK: - Places

extension Volumes {
    /// Finds the storage of that place, unless that was done, and has books and storage agree before anything is handed
    /// out there. `living` are the runners that may still have a volume.
    package func open(_ place: Place, living: () -> Set<String>) throws {
        opening.wait(atMost: nil) { $0.insert(place).inserted ? true : nil }
        defer { opening.update { _ = $0.remove(place) } }
        guard let find = awaited.value[place] else { return }
        if let found = try find() {
            let shelf = VolumeShelf(found.storage, at: place)
            try reconcile(shelf, living: living)
            serve(shelf)
        }
        awaited.update { $0[place] = nil }
        tidySoon()
    }

    func serve(_ shelf: VolumeShelf) {
        open.update { $0[shelf.place] = shelf }
    }

    package func awaits(_ place: Place) -> Bool { awaited.value[place] != nil }

    var shelves: [VolumeShelf] { Array(open.value.values) }

    func shelf(at place: Place) -> VolumeShelf? { open.value[place] }

    /// Where the runner's volume lies; nil where it has none.
    func shelf(lentTo runnerID: String) -> VolumeShelf? {
        books.lendings[runnerID].flatMap { shelf(at: $0.place) }
    }

    private func isServed(_ place: Place) -> Bool { awaits(place) || shelf(at: place) != nil }
}

// MARK: - The books

extension Volumes {
    var books: VolumeBooks { ledger.withLock { $0.books } }

    /// Changes the books once the change is in the store, or not at all.
    func change<Result>(_ body: (inout VolumeBooks) -> Result) throws(StoreError) -> Result {
        try ledger.withLock { (ledger) throws(StoreError) in
            var next = ledger.books
            let result = body(&next)
            try store.record(next, insteadOf: ledger.recorded)
            ledger = Ledger(books: next, recorded: next)
            return result
        }
    }

    /// Changes the books also where the store cannot be written: that is made up for with the next change.
    func changeAnyway<Result>(_ body: (inout VolumeBooks) -> Result) -> Result {
        ledger.withLock { ledger in
            let result = body(&ledger.books)
            do {
                try store.record(ledger.books, insteadOf: ledger.recorded)
                ledger.recorded = ledger.books
            } catch {
                log.error("store_behind", "what became of volumes is not in the store yet: \(error)")
            }
            return result
        }
    }

    func alone<Result, Failure>(
        with runnerID: String, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        busy.wait(atMost: nil) { $0.insert(runnerID).inserted ? true : nil }
        defer { busy.update { _ = $0.remove(runnerID) } }
        return try body()
    }

    /// Each place by itself: one that hangs keeps nothing from being done at the others.
    func tidySoon() {
        for shelf in shelves { tidySoon(shelf) }
    }

    func tidySoon(_ shelf: VolumeShelf) {
        shelf.choresAreDue.set(true)
        do {
            try startThread { [self] in tidyIfDue(shelf) }
        } catch {
            log.warning("volumes_not_tidied", "the next round sees to volumes that are not needed: \(error)")
        }
    }
}
