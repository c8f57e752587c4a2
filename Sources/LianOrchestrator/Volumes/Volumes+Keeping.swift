import LianModel

// MARK: - Keeping

extension Volumes {
    /// Keeps the runner's volume as the newest generation, after its engine was stopped cleanly. Asked again, it gives
    /// the same answer. `provider` has made the runner.
    package func keep(lentTo runnerID: String, executedMS: Int, by provider: String) -> KeptVolume {
        alone(with: runnerID) {
            guard let lending = books.lendings[runnerID], let name = lending.to,
                let shelf = shelf(at: lending.place)
            else { return .discarded(.notAsked) }
            if let answer = lending.answer { return answer }
            var answer: KeptVolume
            do throws(VolumeStorageError) {
                answer = try keep(lending, on: shelf, as: name, executedMS, by: provider)
            } catch {
                answer = .discarded(error.isDiskFull ? .diskFull : .failed)
                tell(answer, lending, name, problem: "\(error)")
            }
            changeAnyway { $0.lendings[runnerID]?.answer = answer }
            tidySoon()
            return answer
        }
    }

    /// How keeping the runner's volume ended; nil where that was not tried yet.
    package func answer(toKeepOf runnerID: String) -> KeptVolume? {
        guard let lending = books.lendings[runnerID], lending.to != nil else { return .discarded(.notAsked) }
        return lending.answer
    }

    /// Its engine did not end as it should: what it has left cannot be trusted.
    package func discard(lentTo runnerID: String, because problem: String) -> KeptVolume {
        alone(with: runnerID) {
            guard let lending = books.lendings[runnerID], let name = lending.to else { return .discarded(.notAsked) }
            let answer = KeptVolume.discarded(.engineNotStopped)
            tell(answer, lending, name, problem: problem)
            changeAnyway { $0.lendings[runnerID]?.answer = answer }
            return answer
        }
    }

    private func keep(
        _ lending: VolumeLending, on shelf: VolumeShelf, as name: VolumeName, _ executedMS: Int, by provider: String
    ) throws(VolumeStorageError) -> KeptVolume {
        let storage = shelf.storage
        let runnerID = lending.runnerID
        func discarded(_ reason: VolumeDiscardReason, _ problem: String) -> KeptVolume {
            let answer = KeptVolume.discarded(reason)
            tell(answer, lending, name, problem: problem)
            return answer
        }
        if isSuperseded(of: lending.workspace, lending, executedMS, books.head(of: name)) {
            return discarded(.superseded, Self.wasFirst)
        }
        if let fault = try storage.fault(lentTo: runnerID) { return discarded(.damaged, fault) }
        let bytes = try storage.size(lentTo: runnerID)
        guard bytes <= limits.each else {
            return discarded(.tooLarge, "it has \(bytes >> 20) MB, and \(limits.each >> 20) are allowed")
        }
        // On a disk that is about to be full it would soon have to go again, and the older one with it.
        guard hasRoom(on: shelf) else { return discarded(.diskFull, "the disk has little room left") }
        // Only what is on the disk may be called kept, also where this process ends and another carries on.
        try storage.flush(lentTo: runnerID)
        try record { books in
            books.generations[runnerID] = VolumeGeneration(
                id: runnerID, name: name, workspace: lending.workspace, number: books.nextNumber(of: name),
                engine: lending.engine, platform: lending.platform, provider: provider, bytes: bytes,
                executedMS: executedMS, createdAt: clock.wallClock(), used: clock.moment, state: .making,
                place: shelf.place)
        }
        do throws(VolumeStorageError) {
            try storage.keep(lentTo: runnerID, as: runnerID)
            return try settle(runnerID)
        } catch {
            // What was made of it goes with the other old ones.
            changeAnyway { $0.generations[runnerID]?.state = .old }
            throw error
        }
    }

    static let wasFirst = "another runner kept its volume first, of another workspace or after as much work"

    /// Of those that started from the same head the first one in replaces it, and a later one only if it executed more.
    /// Two names of sessions can be the same: the volume stays whose it became first.
    private func isSuperseded(
        of workspace: String, _ lending: VolumeLending?, _ executedMS: Int, _ head: VolumeGeneration?
    ) -> Bool {
        guard let head, head.number != lending?.head else { return false }
        return executedMS <= head.executedMS || head.workspace != workspace
    }

    /// Makes the generation that the storage has kept the head of its volume, in one step with the answer.
    func settle(_ id: String) throws(VolumeStorageError) -> KeptVolume {
        let (answer, lending, name) = try record { books -> (KeptVolume, VolumeLending?, VolumeName?) in
            let lending = books.lendings[id]
            guard let made = books.generations[id] else { return (.discarded(.failed), lending, nil) }
            let head = books.head(of: made.name)
            let answer: KeptVolume
            if isSuperseded(of: made.workspace, lending, made.executedMS, head) {
                books.generations[id]?.state = .old
                answer = .discarded(.superseded)
            } else {
                for (other, generation) in books.generations
                where generation.name == made.name && [.head, .damaged].contains(generation.state) {
                    books.generations[other]?.state = .old
                }
                books.generations[id]?.state = .head
                answer = .kept(made.name, generation: made.number, bytes: made.bytes)
            }
            books.lendings[id]?.answer = answer
            return (answer, lending, made.name)
        }
        if let lending, let name { tell(answer, lending, name, problem: Self.wasFirst) }
        return answer
    }

    private func record<Result>(_ body: (inout VolumeBooks) -> Result) throws(VolumeStorageError) -> Result {
        do {
            return try change(body)
        } catch {
            throw VolumeStorageError("the store cannot be written: \(error)", isDiskFull: error.isDiskFull)
        }
    }

    private func tell(_ answer: KeptVolume, _ lending: VolumeLending, _ name: VolumeName, problem: String) {
        let fields: [String: JSONValue] = ["runner_id": .string(lending.runnerID), "volume": name.json]
        if let number = answer.generation {
            meters.volumesKept.add([lending.workspace])
            log.info("volume_kept", "\(name) is kept as generation \(number)", fields)
        } else {
            meters.volumesDiscarded.add([lending.workspace, answer.reason ?? ""])
            log.warning(
                "volume_discarded", "the runner's \(name) is not kept (\(answer.reason ?? "")): \(problem)", fields)
        }
    }
}
