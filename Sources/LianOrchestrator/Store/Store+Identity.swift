import LianModel
import LianSystem

extension Store {
    /// By what this orchestrator marks what it makes on machines that others use too: made once.
    package func orchestratorID() throws(StoreError) -> String {
        let new = "o-" + hexadecimal(randomBytes(10))
        return try transaction { (connection) throws(StoreError) -> String in
            let known = try connection.query("SELECT id FROM identity", []) { $0.text(0) }
            if let id = known.first { return id }
            try connection.execute("INSERT INTO identity (one, id) VALUES (1, ?)", [.text(new)])
            return new
        }
    }
}
