import LianCloacina
import LianFlags
import LianModel

/// From what was typed to the command that does it.
func makeCommand(
    _ syntax: CommandSyntax, _ reader: ArgumentReader, _ surroundings: Surroundings, _ report: inout CloacinaReport
) throws(LianError) -> any CloacinaCommand {
    throw LianError(
        .invalidArgument, .arguments, "\(syntax.invocation) is not made yet", hint: "Take another command.")
}
