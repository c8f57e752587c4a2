import Glibc
import LianModel
import Synchronization

// MARK: - Handing out

extension Volumes {
    /// A clone of the first generation that fits, else an empty volume if there is one to keep. Trouble makes it cold.
    /// `engine` is nil where the runner's engine can work on no volume.
    package func lend(
        to runnerID: String, at place: Place, _ request: VolumeRequest, workspace: String, engine: EngineKind?,
        platform: String
    ) -> Lending {
        alone(with: runnerID) {
            guard let shelf = shelf(at: place), let engine else {
                let lending = cold(awaits(place) && engine != nil ? .noRoom : .notOffered, folder: nil)
                tell(lending, runnerID)
                return lending
            }
            let lending = lend(
                request, on: shelf,
                VolumeLending(
                    runnerID: runnerID, workspace: workspace, generation: nil, to: request.to, head: 0, engine: engine,
                    platform: platform, answer: nil, place: place))
            tell(lending, runnerID)
            return lending
        }
    }

    /// What the runner gets in place of a volume that it cannot work on.
    package func replace(lentTo runnerID: String, because obstacle: VolumeObstacle) -> Lending {
        switch obstacle {
        case .engineEnds: doesNotStart(lentTo: runnerID, hasEnded: true)
        case .engineIsSlow: doesNotStart(lentTo: runnerID, hasEnded: false)
        case .noRoom: hasNoRoom(for: runnerID)
        case .cannotBeMade: goesWithout(runnerID)
        }
    }

    /// The runner's engine does not start on its clone, and the runner goes on with an empty volume. If the engine ended,
    /// that generation is never handed out again; where it was only slow, a busy machine may be at fault, so the
    /// generation has a second try.
    package func doesNotStart(lentTo runnerID: String, hasEnded: Bool) -> Lending {
        alone(with: runnerID) {
            if hasEnded || shelf(lentTo: runnerID)?.storage.support == .exclusive || !isFirstTry(lentTo: runnerID) {
                setAside(lentTo: runnerID, because: "the engine does not start on a clone of it")
            } else {
                changeAnyway { $0.lendings[runnerID]?.generation = nil }
            }
            return empty(for: runnerID, .damaged)
        }
    }

    /// There is no place for the runner where its clone lies: it goes on with an empty volume elsewhere.
    private func hasNoRoom(for runnerID: String) -> Lending {
        alone(with: runnerID) {
            changeAnyway { $0.lendings[runnerID]?.generation = nil }
            tellTrouble("there is no room for the runner where its volume lies", runnerID)
            return empty(for: runnerID, .noRoom)
        }
    }

    private func goesWithout(_ runnerID: String) -> Lending {
        alone(with: runnerID) {
            tellTrouble("an empty volume cannot be made where the runner goes", runnerID)
            changeAnyway { $0.lendings[runnerID] = nil }
            return cold(.noRoom, folder: nil)
        }
    }

    private func isFirstTry(lentTo runnerID: String) -> Bool {
        guard let id = books.lendings[runnerID]?.generation else { return false }
        return slowToStart.withLock { $0.insert(id).inserted }
    }

    /// The runner's engine ended by itself. If it had begun with a clone of the volume that it was to write, that
    /// generation is never handed out again. What a session does to its copy of CI's says nothing of CI's.
    package func failedEngine(lentTo runnerID: String, _ end: String) {
        alone(with: runnerID) {
            let books = books
            guard let lending = books.lendings[runnerID], let id = lending.generation,
                books.generations[id]?.name == lending.to
            else { return }
            setAside(lentTo: runnerID, because: "the engine on a clone of it ended: \(end)")
        }
    }

    /// The runner's processes are gone, and its mounts. May be repeated.
    package func takeBack(from runnerID: String, at place: Place) throws(ProviderError) {
        if let shelf = shelf(at: place) { return try takeBack(from: runnerID, to: shelf) }
        guard awaits(place), books.lendings[runnerID] != nil else { return }
        throw ProviderError("the runner's volume cannot be removed: the storage of volumes there was not found yet")
    }

    func takeBack(from runnerID: String, to shelf: VolumeShelf) throws(ProviderError) {
        try alone(with: runnerID) { () throws(ProviderError) in
            let lending = books.lendings[runnerID]
            do throws(VolumeStorageError) {
                try shelf.storage.remove(lentTo: runnerID)
                try forgetWhatWasHandedOver(lending, on: shelf.storage)
            } catch {
                throw ProviderError("the runner's volume cannot be removed: \(error)")
            }
            guard lending != nil else { return }
            changeAnyway { $0.lendings[runnerID] = nil }
            tidySoon(shelf)
        }
    }

    /// Where the runner had the generation itself, that went with the runner.
    private func forgetWhatWasHandedOver(
        _ lending: VolumeLending?, on storage: any VolumeStorage
    ) throws(VolumeStorageError) {
        guard storage.support == .exclusive, let id = lending?.generation, let generation = books.generations[id],
            try !storage.contents().kept.contains(id)
        else { return }
        changeAnyway { $0.generations[id] = nil }
        if generation.state == .head { tellLost(generation, "the runner that had it went without keeping it") }
    }

    private enum Choice {
        case generation(VolumeGeneration)
        case cold(VolumeColdReason)
    }

    private func lend(_ request: VolumeRequest, on shelf: VolumeShelf, _ new: VolumeLending) -> Lending {
        let runnerID = new.runnerID
        guard hasRoom(on: shelf) else { return cold(.noRoom, folder: nil) }
        let choice: Choice
        do {
            choice = try change { books in
                let choice = choose(request, from: shelf.storage, new, books)
                var lending = new
                // Two names of sessions can be the same: the volume stays whose it is.
                if let name = request.to, let head = books.head(of: name), head.workspace != new.workspace {
                    lending.to = nil
                }
                lending.head = request.to.flatMap { books.head(of: $0)?.number } ?? 0
                switch choice {
                case .generation(let generation):
                    lending.generation = generation.id
                    books.generations[generation.id]?.used = clock.moment
                case .cold where request.to == nil: return choice
                case .cold: break
                }
                books.lendings[runnerID] = lending
                return choice
            }
        } catch {
            tellTrouble("the store cannot be written: \(error)", runnerID)
            return cold(.noRoom, folder: nil)
        }
        switch choice {
        case .cold(let reason): return empty(for: runnerID, reason, on: shelf)
        case .generation(let generation): return clone(generation, for: runnerID, on: shelf)
        }
    }

    private func choose(
        _ request: VolumeRequest, from storage: any VolumeStorage, _ lending: VolumeLending, _ books: VolumeBooks
    ) -> Choice {
        var reason = VolumeColdReason.noneYet
        for name in request.from {
            guard let head = books.head(of: name) else {
                let wasDamaged = books.generations.values.contains { $0.name == name && $0.state == .damaged }
                if wasDamaged && reason == .noneYet { reason = .damaged }
                continue
            }
            guard name.isOfCI || head.workspace == lending.workspace else { continue }
            guard head.place == lending.place else {
                reason = .otherProvider
                continue
            }
            // A volume that can only be read by being taken away is for those who may also write it.
            if storage.support == .exclusive && name != request.to { continue }
            guard head.engine == lending.engine && head.platform == lending.platform else {
                reason = .otherEngine
                continue
            }
            let makerHasIt = storage.keepsByMoving && books.lendings[head.id] != nil
            let isHandedOver = storage.support == .exclusive && books.users(of: head.id) > 0
            return makerHasIt || isHandedOver ? .cold(.inUse) : .generation(head)
        }
        return .cold(reason)
    }

    private func clone(_ generation: VolumeGeneration, for runnerID: String, on shelf: VolumeShelf) -> Lending {
        let storage = shelf.storage
        do throws(VolumeStorageError) {
            try storage.clone(generation.id, for: runnerID)
            if let fault = try storage.fault(lentTo: runnerID) {
                setAside(lentTo: runnerID, because: fault)
                return empty(for: runnerID, .damaged, on: shelf)
            }
        } catch {
            tellTrouble("\(generation.name) cannot be cloned: \(error)", runnerID)
            if let contents = try? storage.contents(), !contents.kept.contains(generation.id) {
                changeAnyway { $0.generations[generation.id] = nil }
                tellLost(generation, "its files are not there")
                return empty(for: runnerID, .damaged, on: shelf)
            }
            changeAnyway { $0.lendings[runnerID]?.generation = nil }
            return empty(for: runnerID, .noRoom, on: shelf)
        }
        let folder = storage.folder(lentTo: runnerID)
        return Lending(
            found: RunnerVolume(
                state: .warm, from: generation.name, generation: generation.number, bytes: generation.bytes,
                path: "\(folder)/contexts"), folder: folder)
    }

    /// An empty volume in place of what the runner has, where there is one to keep.
    private func empty(for runnerID: String, _ reason: VolumeColdReason) -> Lending {
        guard let shelf = shelf(lentTo: runnerID) else { return cold(reason, folder: nil) }
        return empty(for: runnerID, reason, on: shelf)
    }

    private func empty(for runnerID: String, _ reason: VolumeColdReason, on shelf: VolumeShelf) -> Lending {
        let storage = shelf.storage
        do throws(VolumeStorageError) {
            try storage.remove(lentTo: runnerID)
            if books.lendings[runnerID]?.to != nil {
                try storage.make(for: runnerID)
                return cold(reason, folder: storage.folder(lentTo: runnerID))
            }
        } catch {
            tellTrouble("an empty volume cannot be made: \(error)", runnerID)
            try? storage.remove(lentTo: runnerID)
        }
        changeAnyway { $0.lendings[runnerID] = nil }
        return cold(reason, folder: nil)
    }

    private func cold(_ reason: VolumeColdReason, folder: String?) -> Lending {
        Lending(
            found: RunnerVolume(state: .cold, reason: reason.rawValue, path: folder.map { "\($0)/contexts" }),
            folder: folder)
    }

    private func setAside(lentTo runnerID: String, because fault: String) {
        let generation = changeAnyway { books -> VolumeGeneration? in
            guard let id = books.lendings[runnerID]?.generation else { return nil }
            books.lendings[runnerID]?.generation = nil
            guard books.generations[id]?.state == .head else { return nil }
            books.generations[id]?.state = .damaged
            return books.generations[id]
        }
        guard let generation else { return }
        log.error(
            "volume_damaged", "generation \(generation.number) of \(generation.name) is set aside for good: \(fault)",
            ["runner_id": .string(runnerID), "volume": generation.name.json])
    }

    /// Whether there is enough of it for a build; what nobody has used for long makes room.
    func hasRoom(on shelf: VolumeShelf) -> Bool {
        do {
            guard try shelf.room().isLow else { return true }
            tidySoon(shelf)
            // What is large takes longer to delete than a build is to wait for it.
            let end = ContinuousClock.now + .seconds(5)
            while try shelf.room().isLow {
                guard ContinuousClock.now < end else { return false }
                usleep(20_000)
            }
            return true
        } catch {
            log.error("volumes_unreadable", "the room for volumes cannot be seen: \(error)")
            return false
        }
    }

    private func tell(_ lending: Lending, _ runnerID: String) {
        let found = lending.found
        let what =
            found.from.map { "warm, with generation \(found.generation ?? 0) of \($0)" }
            ?? "cold (\(found.reason ?? ""))"
        log.info("volume_lent", "the runner begins \(what)", ["runner_id": .string(runnerID), "volume": found.json])
    }

    private func tellTrouble(_ problem: String, _ runnerID: String) {
        log.error("volume_not_lent", "the runner begins cold: \(problem)", ["runner_id": .string(runnerID)])
    }

    func tellLost(_ generation: VolumeGeneration, _ reason: String) {
        log.warning(
            "volume_lost", "generation \(generation.number) of \(generation.name) is lost: \(reason)",
            ["volume": generation.name.json])
    }
}
