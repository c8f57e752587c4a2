import LianModel
import LianSystem

package struct ProviderError: Error, CustomStringConvertible, Sendable {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    /// Of a runner that nobody waits for any more.
    static let notWanted = ProviderError("destroyed while it was being made")

    /// What makes machines has no room for one more.
    init(noCapacity reason: String) {
        self.init(RunnerAnswer.noCapacity + reason)
    }
}

/// Turns any error that is thrown into one that the provider's caller understands.
func asProviderError<Value>(_ body: () throws -> Value) throws(ProviderError) -> Value {
    do {
        return try body()
    } catch let error as ProviderError {
        throw error
    } catch FileReadFailure.system(let error) {
        throw ProviderError("\(error)")
    } catch let error as FileReadFailure {
        throw ProviderError(error.reason)
    } catch {
        throw ProviderError("\(error)")
    }
}
