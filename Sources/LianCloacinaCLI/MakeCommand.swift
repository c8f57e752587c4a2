import LianCloacina
import LianFlags
import LianModel
import LianSystem

/// From what was typed to the command that does it.
func makeCommand(
    _ syntax: CommandSyntax, _ reader: ArgumentReader, _ surroundings: Surroundings
) throws(LianError) -> any CloacinaCommand {
    let given = reader.arguments
    let operand = given.operand ?? ""
    switch syntax.words.joined(separator: " ") {
    case "package pack":
        var command = PackCommand(operand, surroundings)
        command.out = try reader.path("--out")
        command.layout = try reader.choice("--layout") ?? .source
        command.isRelease = given.has("--release")
        command.targetFolder = try reader.path("--target-dir")
        command.signingKey = try reader.path("--sign")
        command.embeddingKey = try reader.path("--sign-embed")
        command.allowsOverLimits = given.has("--allow-over-limits")
        command.isDryRun = given.has("--dry-run")
        return command
    case "package build":
        var command = BuildCommand(operand, isRelease: given.has("--release"), surroundings)
        command.remote = try reader.path("--remote")
        return command
    case "build":
        var command = PythonBuildCommand(surroundings)
        command.project = try reader.path("--project") ?? "."
        command.out = try reader.path("--output") ?? "."
        command.targets = given.all("--target")
        command.format = try reader.choice("--format") ?? .v2
        command.python = try reader.path("--python")
        command.pythonVersion = given.value("--python-version")
        command.leavesDependenciesOut = given.has("--no-vendor")
        command.signingKey = try reader.path("--sign")
        command.isDryRun = given.has("--dry-run")
        return command
    case "package validate": return ValidateCommand(operand, surroundings)
    case "package inspect":
        return given.has("--offline") || fileKind(surroundings.path(operand)) != nil
            ? InspectCommand(operand, isLoaded: given.has("--load"), surroundings)
            : InspectAtServerCommand(operand, try serverOptions(reader), surroundings)
    case "package upload": return UploadCommand(operand, try serverOptions(reader), surroundings)
    case "package publish":
        var command = PublishCommand(operand, try serverOptions(reader), surroundings)
        command.isRelease = given.has("--release")
        command.skipsBuild = given.has("--skip-build")
        command.signingKey = try reader.path("--sign")
        return command
    case "package sign": return SignCommand(operand, key: try reader.path("--key"), surroundings)
    case "package verify":
        return VerifyCommand(
            operand, keys: given.all("--key"), signature: try reader.path("--signature"),
            required: try reader.choice("--require"), surroundings)
    case "package unpack": return UnpackCommand(operand, out: try reader.path("--out"), surroundings)
    case "package keygen":
        return KeygenCommand(prefix: try reader.path("--out"), alsoPEM: given.has("--pem"), surroundings)
    case "plugin inspect": return PluginInspect(library: operand, isLoaded: given.has("--load"), surroundings)
    case "plugin new": return PluginNew(name: operand, folder: try reader.path("--out"), surroundings)
    default:
        throw LianError(
            .internalError, .arguments, "nothing does what \(syntax.invocation) promises",
            hint: "This is a defect: please report it.")
    }
}

private func serverOptions(_ reader: ArgumentReader) throws(LianError) -> ServerOptions {
    var options = ServerOptions()
    options.home = try reader.path("--home")
    options.profile = reader.arguments.value("--profile")
    options.server = reader.arguments.value("--server")
    options.apiKey = reader.arguments.value("--api-key")
    options.apiKeyIsOnCommandLine = reader.arguments.origin("--api-key") == .flag
    options.tenant = reader.arguments.value("--tenant")
    return options
}
