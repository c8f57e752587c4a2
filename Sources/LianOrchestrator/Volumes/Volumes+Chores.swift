import LianModel
import LianSystem

// MARK: - Tidying

extension Volumes {
    /// Removes what nobody needs: generations that were replaced, those that nobody used for long, and the longest
    /// unused ones where all have too many bytes or the disk has little room; never one in use.
    package func tidy() {
        for shelf in shelves { tidy(shelf) }
    }

    private func tidy(_ shelf: VolumeShelf) {
        shelf.choresAreDue.set(true)
        tidyIfDue(shelf)
    }

    /// Unless another call has done it since it became due.
    func tidyIfDue(_ shelf: VolumeShelf) {
        shelf.chores.withLock {
            guard shelf.choresAreDue.value else { return }
            shelf.choresAreDue.set(false)
            // What is on its way out is gone before it is judged whether more has to go.
            remove(from: shelf)
            if evict(from: shelf) { remove(from: shelf) }
        }
    }

    private func remove(from shelf: VolumeShelf) {
        purge(shelf)
        do {
            try shelf.storage.emptyTrash()
        } catch {
            log.error("volumes_not_removed", "what is left of volumes cannot be deleted: \(error)")
        }
    }

    /// Whether there was anything to evict.
    private func evict(from shelf: VolumeShelf) -> Bool {
        let room = try? shelf.room()
        let missing = room?.missing ?? 0
        let mostOfAll = limits.all(in: room)
        let evicted = changeAnyway { books -> [(VolumeGeneration, String)] in
            var evicted: [(VolumeGeneration, String)] = []
            let there = books.generations.values.filter { $0.place == shelf.place }
            var total = there.filter { $0.state != .damaged }.reduce(0) { $0 + $1.bytes }
            var freed = there.filter { $0.state == .old }.reduce(0) { $0 + $1.bytes }
            total -= freed
            let unused = there.filter {
                [.head, .damaged].contains($0.state) && books.users(of: $0.id) == 0
            }
            for generation in unused.sorted(by: { age($0) > age($1) }) {
                let reason: String
                if isTooOld(generation) {
                    reason = "nobody used it for \(limits.days) days"
                } else if generation.state == .damaged {
                    continue
                } else if total > mostOfAll {
                    reason = "all volumes have more than \(mostOfAll >> 30) GB"
                } else if freed < missing {
                    reason = "the disk has little room left"
                } else {
                    break
                }
                if generation.state == .head {
                    total -= generation.bytes
                    freed += generation.bytes
                }
                books.generations[generation.id]?.state = .old
                evicted.append((generation, reason))
            }
            return evicted
        }
        for (generation, reason) in evicted {
            log.info(
                "volume_evicted", "generation \(generation.number) of \(generation.name) is removed: \(reason)",
                ["volume": generation.name.json])
        }
        return !evicted.isEmpty
    }

    /// Removes the files of what is not handed out any more, once nobody uses it, and then what is known of it.
    private func purge(_ shelf: VolumeShelf) {
        let books = books
        for (id, generation) in books.generations
        where generation.place == shelf.place && [.old, .damaged].contains(generation.state) && books.users(of: id) == 0
        {
            do {
                try shelf.storage.remove(generation: id)
            } catch {
                log.error("volumes_not_removed", "\(generation.name) cannot be deleted: \(error)")
                continue
            }
            if generation.state == .old { changeAnyway { $0.generations[id] = nil } }
        }
    }

    private func age(_ generation: VolumeGeneration) -> Int { clock.milliseconds(since: generation.used) }

    /// Of another boot only the wall clock tells, and that may have been set forward. It is not believed in the first
    /// hour after the boot, when it may still be set right.
    private func isTooOld(_ generation: VolumeGeneration) -> Bool {
        age(generation) > limits.days * 24 * 3_600_000
            && (generation.used.bootID == clock.bootID || clock.now() >= 3_600_000)
    }
}

// MARK: - After a start

extension Volumes {
    /// Makes books and storage agree, before anything of it is handed out: carries on with what was being kept, and
    /// removes what nobody knows, or what runners that are not `living` had.
    func reconcile(_ shelf: VolumeShelf, living: () -> Set<String>) throws {
        let storage = shelf.storage
        var contents = try storage.contents()
        let books = books
        let generations = books.generations.values.filter { $0.place == shelf.place }
        for generation in generations where generation.state == .making {
            do {
                if !contents.kept.contains(generation.id) {
                    try storage.keep(lentTo: generation.id, as: generation.id)
                }
                _ = try settle(generation.id)
            } catch {
                log.warning(
                    "volume_discarded", "keeping \(generation.name) was cut off and cannot be carried on: \(error)")
                changeAnyway { $0.generations[generation.id]?.state = .old }
            }
        }
        let lent = contents.lent.union(books.lendings.values.filter { $0.place == shelf.place }.map(\.runnerID))
        // Looked up afterwards: another place may lend on the same storage meanwhile.
        for runnerID in lent.subtracting(living()) {
            tellIfLeft { () throws(ProviderError) in try takeBack(from: runnerID, to: shelf) }
        }
        contents = try storage.contents()
        let known = self.books
        for runnerID in contents.lent where known.lendings[runnerID] == nil {
            tellIfLeft { () throws(VolumeStorageError) in try storage.remove(lentTo: runnerID) }
        }
        for id in contents.kept where known.generations[id] == nil {
            tellIfLeft { () throws(VolumeStorageError) in try storage.remove(generation: id) }
        }
        for (id, generation) in known.generations
        where generation.place == shelf.place && generation.state == .head && !contents.kept.contains(id) {
            if storage.support == .exclusive && known.users(of: id) > 0 { continue }
            changeAnyway { $0.generations[id] = nil }
            tellLost(generation, "its files are not there")
        }
        tidy(shelf)
    }

    /// One that cannot be removed keeps nobody from starting.
    private func tellIfLeft(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            log.error("volumes_not_removed", "a volume that nobody needs is left: \(error)")
        }
    }
}
