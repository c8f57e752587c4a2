import LianModel

extension Store {
    func volumeBooks() throws(StoreError) -> VolumeBooks {
        var books = VolumeBooks()
        for generation in try read("SELECT \(Self.generationColumns) FROM volume_generations", [], Self.generation) {
            if let generation { books.generations[generation.id] = generation }
        }
        for lending in try read("SELECT \(Self.lendingColumns) FROM volume_lendings", [], Self.lending) {
            books.lendings[lending.runnerID] = lending
        }
        return books
    }

    /// Writes what the new books have other than the old ones, all or nothing.
    func record(_ new: VolumeBooks, insteadOf old: VolumeBooks) throws(StoreError) {
        if new == old { return }
        try transaction { (connection) throws(StoreError) in
            for id in old.generations.keys where new.generations[id] == nil {
                try connection.execute("DELETE FROM volume_generations WHERE id = ?", [.text(id)])
            }
            for id in old.lendings.keys where new.lendings[id] == nil {
                try connection.execute("DELETE FROM volume_lendings WHERE runner_id = ?", [.text(id)])
            }
            let changed = new.generations.values.filter { $0 != old.generations[$0.id] }
            // A volume has one head at any time, so the former one makes way first.
            for generation in changed.filter({ $0.state != .head }) + changed.filter({ $0.state == .head }) {
                try connection.execute(
                    "INSERT OR REPLACE INTO volume_generations (\(Self.generationColumns)) "
                        + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", Self.values(generation))
            }
            for lending in new.lendings.values where lending != old.lendings[lending.runnerID] {
                try connection.execute(
                    "INSERT OR REPLACE INTO volume_lendings (\(Self.lendingColumns)) "
                        + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", Self.values(lending))
            }
        }
    }

    private static let generationColumns = """
        id, name, workspace, number, engine, layout, platform, provider, bytes, executed_ms, created_at, used_at,
        used_boot_id, used_since_boot, state, place
        """

    private static func values(_ generation: VolumeGeneration) -> [SQLiteValue] {
        [
            .text(generation.id), .text(generation.name.description), .text(generation.workspace),
            .integer(generation.number), .text(generation.engine.name), .text(generation.engine.layout),
            .text(generation.platform), .text(generation.provider), .integer(generation.bytes),
            .integer(generation.executedMS), .integer(generation.createdAt), .integer(generation.used.wallClock),
            .text(generation.used.bootID), .integer(generation.used.sinceBoot), .text(generation.state.rawValue),
            SQLiteValue(generation.place.provider),
        ]
    }

    /// nil where the row holds what this program does not write.
    private static func generation(_ row: SQLiteRow) -> VolumeGeneration? {
        guard let name = VolumeName(row.text(1)), let state = VolumeGeneration.State(rawValue: row.text(14)) else {
            return nil
        }
        return VolumeGeneration(
            id: row.text(0), name: name, workspace: row.text(2), number: row.integer(3),
            engine: EngineKind(name: row.text(4), layout: row.text(5)), platform: row.text(6), provider: row.text(7),
            bytes: row.integer(8), executedMS: row.integer(9), createdAt: row.integer(10),
            used: Moment(bootID: row.text(12), sinceBoot: row.integer(13), wallClock: row.integer(11)), state: state,
            place: Place(stored: row.optionalText(15)))
    }

    private static let lendingColumns =
        "runner_id, workspace, generation, volume, head, engine, layout, platform, answer, place"

    private static func values(_ lending: VolumeLending) -> [SQLiteValue] {
        [
            .text(lending.runnerID), .text(lending.workspace), SQLiteValue(lending.generation),
            SQLiteValue(lending.to?.description), .integer(lending.head), .text(lending.engine.name),
            .text(lending.engine.layout), .text(lending.platform), SQLiteValue(lending.answer?.json.encoded()),
            SQLiteValue(lending.place.provider),
        ]
    }

    private static func lending(_ row: SQLiteRow) -> VolumeLending {
        VolumeLending(
            runnerID: row.text(0), workspace: row.text(1), generation: row.optionalText(2),
            to: row.optionalText(3).flatMap { VolumeName($0) }, head: row.integer(4),
            engine: EngineKind(name: row.text(5), layout: row.text(6)), platform: row.text(7),
            answer: row.optionalText(8).flatMap(answer), place: Place(stored: row.optionalText(9)))
    }

    private static func answer(_ text: String) -> KeptVolume? {
        (try? JSONValue.parse(text)).flatMap { try? KeptVolume(JSONNode($0)) }
    }
}
