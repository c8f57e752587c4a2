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
        /// The most bytes that one volume may have, and all of them together.
        package var each: Int
        package var all: Int
        /// How long one is kept without use.
        package var days: Int

        package init(each: Int, all: Int, days: Int) {
            self.each = each
            self.all = all
            self.days = days
        }

        /// The default for all is half of the disk that they lie on, 200 GB at most.
        package init(eachGB: Int, allGB: Int?, days: Int, on storage: any VolumeStorage) throws(VolumeStorageError) {
            self.init(
                each: eachGB << 30, all: min(200 << 30, try storage.room().size / 2), days: days)
            if let allGB { all = allGB << 30 }
        }
    }

    /// The books as they are, and as they are in the store: both differ while that cannot be written.
    private struct Ledger {
        var books: VolumeBooks
        var recorded: VolumeBooks
    }

    private let store: Store
    let storage: any VolumeStorage
    private let currentLimits: Guarded<Limits>
    let provider: String
    let clock: BootClock
    let log: EventLog
    let meters: Meters
    private let ledger: Mutex<Ledger>
    /// The runners that a call is at work on: for one runner they come one after the other.
    private let busy = Monitor<Set<String>>([])
    /// Generations on which an engine was slow to start, once.
    let slowToStart = Mutex<Set<String>>([])
    let chores = Lock()
    let choresAreDue = Guarded(false)

    package init(
        store: Store, storage: any VolumeStorage, limits: Limits, provider: String, clock: BootClock, log: EventLog,
        meters: Meters = Meters()
    ) throws(StoreError) {
        self.store = store
        self.storage = storage
        currentLimits = Guarded(limits)
        self.provider = provider
        self.clock = clock
        self.log = log
        self.meters = meters
        let books = try store.volumeBooks()
        ledger = Mutex(Ledger(books: books, recorded: books))
    }

    package var support: VolumeSupport { storage.support }

    var limits: Limits { currentLimits.value }

    /// Other limits from now on.
    package func limit(_ limits: Limits) {
        currentLimits.set(limits)
        tidySoon()
    }

    /// The newest generation of each volume.
    package func list(whereWorkspace isWanted: (String) -> Bool = { _ in true }) -> [VolumeAnswer] {
        let books = books
        let heads = books.heads.filter { isWanted($0.workspace) }
        return heads.sorted { $0.name.description < $1.name.description }.map { head in
            VolumeAnswer(
                name: head.name, generation: head.number, bytes: head.bytes, engine: head.engine.name,
                platform: head.platform, provider: head.provider, createdAt: UTCTime(milliseconds: head.createdAt),
                usedAt: UTCTime(milliseconds: head.used.wallClock), inUse: books.users(of: head.id))
        }
    }

    /// How many bytes are free where they lie, and how many there are; nil where that cannot be seen.
    package var room: VolumeRoom? { try? storage.room() }

    /// Forgets the volume; what runners have of it goes with them. False where there is none.
    package func delete(_ name: VolumeName) -> Bool {
        let isDone = changeAnyway { books in
            guard books.head(of: name) != nil else { return false }
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
        chores.withLock {
            choresAreDue.set(false)
            guard books.lendings.isEmpty else { return }
            do {
                try storage.close()
            } catch {
                log.warning("volumes_not_unmounted", "the volumes stay mounted: \(error)")
            }
        }
    }
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

    func tidySoon() {
        choresAreDue.set(true)
        do {
            try startThread { [self] in tidyIfDue() }
        } catch {
            log.warning("volumes_not_tidied", "the next round sees to volumes that are not needed: \(error)")
        }
    }
}
