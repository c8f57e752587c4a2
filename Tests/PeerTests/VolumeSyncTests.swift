import Foundation
import Glibc
import LianModel
import LianRemote
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild
@testable import LianContext

/// A context goes into a folder on a runner's volume, in which anything may lie already: the folder is then what a new
/// one would be.
@Suite(.needsRsync) struct VolumeSyncTests {
    /// The runner's user where it is not the caller.
    enum User: String, Sendable, CaseIterable {
        case caller, nobody
    }

    /// The first two are rules that rsync follows by itself, the third is told it name by name, and by the last one more
    /// stays behind than can be told.
    private static let ignoreFiles = [
        "", "*.log\n**/*.tmp\n", "*\n!a\n!b\n!keep\n!new*\n!-rf\n", "many*\n!many-1\n**/*.log\n",
    ]

    @Test("row 56: whatever lay there before, the folder is what a cold build's is", arguments: ignoreFiles)
    func whateverLayThere(ignoreFile: String) async throws {
        for seed in UInt64(0)..<24 {
            let user: User = geteuid() == 0 && seed % 3 == 0 ? .nobody : .caller
            try await withVolume(for: user) { volume in
                let tree = SeededTree(seed: seed)
                try tree.make(at: volume.context)
                try volume.write("Dockerfile", "FROM scratch\n")
                try volume.write(".dockerignore", ignoreFile)
                if ignoreFile.hasPrefix("many") { for number in 0..<300 { try volume.write("many-\(number)", "") } }
                _ = try await volume.send(at: .workFolder)
                let cold = try await volume.arrived(at: .workFolder)

                try tree.makeLeftovers(at: volume.onVolume.path, outside: volume.outside)
                try await volume.giveToRunner()
                let outside = try await attributes(of: volume.outside)
                let place = ContextSync.Place.volume(volume.onVolume, .kept)
                _ = try await volume.send(at: place)
                #expect(try await volume.arrived(at: place) == cold, "seed \(seed), \(user)")
                #expect(try await attributes(of: volume.outside) == outside, "seed \(seed), \(user)")
            }
        }
    }

    /// Each by itself, as a person would think of it.
    private static let changes = [
        "another content, size and time as before": "cp -p f f2; echo new >f; touch -r f2 f; rm f2",
        "another time": "touch f d/g d",
        "another second's part": "touch -d '2020-01-01 00:00:00.000000002' f",
        "another mode": "chmod 700 f; chmod 711 d",
        "a folder that became a file": "rm -r d; echo file >d",
        "a file that became a folder": "rm f; mkdir f; echo x >f/x",
        "a file that became excluded": "mv d/g d/g.log",
        "a folder that became excluded": "mv d d.log",
        "a link that became a folder": "rm l; mkdir l; echo x >l/x",
        "a folder that became a link": "rm -r d; ln -s l d",
        "a link that leads elsewhere": "rm l; ln -s elsewhere l",
        "a file that became a FIFO": "rm f; mkfifo f",
        "a file that is gone": "rm d/g",
        "everything is gone": "rm -r f d l",
    ]

    @Test("row 56: a second build's folder is what a cold build's is", arguments: changes.keys.sorted())
    func aSecondBuild(what: String) async throws {
        try await withVolume { volume in
            try volume.write("Dockerfile", "FROM scratch\n")
            try volume.write(".dockerignore", "**/*.log\n")
            try await volume.change(
                "mkdir d; echo old >f; echo g >d/g; ln -s f l; find . -exec touch -h -d '2020-01-01 00:00:00.000000001' {} +"
            )
            _ = try await volume.send(at: .volume(volume.onVolume, .none))
            try await volume.change(try #require(Self.changes[what]))
            let place = ContextSync.Place.volume(volume.onVolume, .kept)
            _ = try await volume.send(at: place)
            _ = try await volume.send(at: .workFolder)
            #expect(try await volume.arrived(at: place) == volume.arrived(at: .workFolder))
        }
    }

    @Test(arguments: ["", "*.log\n", "*\n!keep\n"]) func whatIsThereIsNotSentAgain(ignoreFile: String) async throws {
        try await withVolume { volume in
            try volume.write("Dockerfile", "FROM scratch\n")
            try volume.write(".dockerignore", ignoreFile)
            try await volume.change("mkdir keep; head -c 1000000 /dev/urandom >keep/large; echo x >x.log")
            #expect(try await volume.send(at: .volume(volume.onVolume, .none)).bytes > 1_000_000)
            // As after a checkout.
            try await volume.change("find . -exec touch {} +; echo changed >keep/small")
            #expect(try await volume.send(at: .volume(volume.onVolume, .kept)).bytes < 100_000)
        }
    }

    /// The contexts of one build share a folder, which each of their shells makes where it is not there yet.
    @Test func severalContextsBeginAtOnce() async throws {
        for _ in 0..<20 {
            try await withVolume { volume in
                try volume.write("Dockerfile", "FROM scratch\n")
                try FileManager.default.removeItem(atPath: "\(volume.contexts)/lian-build")
                let names = (0..<6).map { "context-\($0)" }
                let places = names.map {
                    ContextSync.Place.volume(VolumeFolder(volume: volume.contexts, name: $0, names: names), .none)
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for place in places { group.addTask { _ = try await volume.send(at: place) } }
                    try await group.waitForAll()
                }
                for place in places { #expect(try volume.arrivedNames(at: place) == ["Dockerfile"]) }
            }
        }
    }

    @Test func contextsOfEarlierBuildsAreRemovedBesideTheBuild() async throws {
        try await withVolume { volume in
            try volume.write("Dockerfile", "FROM scratch\n")
            let contexts = "\(volume.onVolume.volume)/lian-build"
            try await runShell(
                "mkdir -p context-0 context-1 context-7/deep 'context-0 context-1' .hidden; ln -s '\(volume.outside)' link",
                in: contexts)
            _ = try await volume.send(at: .volume(volume.onVolume, .none))
            #expect(
                await eventually {
                    (try? FileManager.default.contentsOfDirectory(atPath: contexts).sorted()) == [
                        "context-0", "context-1",
                    ]
                })
            #expect(FileManager.default.fileExists(atPath: "\(volume.outside)/victim"))
        }
    }

    @Test("row 57: a link planted for one of our folders is replaced, not followed", arguments: ["", "/context-0"])
    func aPlantedFolder(name: String) async throws {
        for plant in ["ln -s '%' place", "touch place", "mkfifo place"] {
            for content in [VolumeFolder.Content.kept, .none] {
                try await withVolume { volume in
                    try volume.write("Dockerfile", "FROM scratch\n")
                    let place = "\(volume.onVolume.volume)/lian-build\(name)"
                    let planting = plant.replacingOccurrences(of: "%", with: volume.outside)
                    try await runShell("rm -rf '\(place)'; \(planting); mv place '\(place)'", in: volume.root)
                    let outside = try await attributes(of: volume.outside)
                    _ = try await volume.send(at: .volume(volume.onVolume, content))
                    #expect(try await attributes(of: volume.outside) == outside)
                    var status = stat()
                    #expect(lstat(volume.onVolume.path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR)
                    #expect(try volume.arrivedNames() == ["Dockerfile"])
                }
            }
        }
    }

    @Test("row 57: a volume's own folder that is a link, or is not there, takes no context")
    func thePlantedRoot() async throws {
        for plant in ["ln -s '%' contexts", "touch contexts", "true"] {
            try await withVolume { volume in
                try volume.write("Dockerfile", "FROM scratch\n")
                let planting = plant.replacingOccurrences(of: "%", with: volume.outside)
                try await runShell("rm -rf contexts; \(planting)", in: volume.onVolume.volume + "/..")
                let outside = try await attributes(of: volume.outside)
                await #expect(
                    throws: RemoteFailure.volumeUnusable("\(volume.onVolume.volume) is not a folder of its own")
                ) { _ = try await volume.send(at: .volume(volume.onVolume, .kept)) }
                #expect(try await attributes(of: volume.outside) == outside)
            }
        }
    }

    @Test(.needsRoot) func aVolumeThatCannotBeWrittenToSaysWhy() async throws {
        try await withVolume { volume in
            try volume.write("Dockerfile", "FROM scratch\n")
            try await volume.change("head -c 3000000 /dev/urandom >large")
            try FileManager.default.removeItem(atPath: "\(volume.onVolume.volume)/lian-build")
            try await withSmallDisk(at: volume.onVolume.volume, kilobytes: 1024) { disk in
                await #expect {
                    _ = try await volume.send(at: .volume(volume.onVolume, .none))
                } throws: { error in
                    guard case RemoteFailure.volumeUnusable(let why) = error else { return false }
                    return why.contains("No space left on device")
                }
                try FileManager.default.removeItem(atPath: "\(disk)/lian-build")
                // As soon as the rsync that found no room has closed its file.
                try #require(
                    await eventually { mount("tmpfs", disk, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), "") == 0 },
                    "\(errno)")
                await #expect {
                    _ = try await volume.send(at: .volume(volume.onVolume, .kept))
                } throws: { error in
                    guard case RemoteFailure.volumeUnusable(let why) = error else { return false }
                    return why.contains("Read-only file system")
                }
            }
        }
    }

    /// One without the checksums that we ask for cannot compare, so the folder begins empty.
    @Test func anOlderRsyncFindsNothingToBeCompared() async throws {
        try await withVolume { volume in
            try volume.write("Dockerfile", "FROM scratch\n")
            try volume.writeProgram(
                "rsync",
                "case \"$*\" in *--checksum-choice*) echo 'unknown option' >&2; exit 1 ;; esac\nexec /usr/bin/rsync \"$@\""
            )
            try FileManager.default.createDirectory(
                atPath: "\(volume.onVolume.path)/stale", withIntermediateDirectories: true)
            _ = try await volume.send(at: .volume(volume.onVolume, .kept))
            #expect(try volume.arrivedNames() == ["Dockerfile"])
        }
    }

    /// rsync gives up on a path that is too long for a system call, with a complaint for each folder above.
    @Test func whatRsyncCannotRemoveIsSetAside() async throws {
        try await withVolume { volume in
            try volume.write("Dockerfile", "FROM scratch\n")
            try await runShell(
                "mkdir context-0; cd context-0; n=$(printf 'd%.0s' {1..200}); for i in {1..60}; do mkdir $n && cd -P ./$n 2>/dev/null || break; done",
                in: "\(volume.onVolume.volume)/lian-build")
            _ = try await volume.send(at: .volume(volume.onVolume, .kept))
            let names = try volume.arrivedNames()
            #expect(names == ["Dockerfile"])
            // No call takes the whole path, so it is removed by who goes there step by step.
            try await runTool("/bin/rm", ["-rf", volume.onVolume.volume])
        }
    }
}

/// A context here, and a runner with a volume.
private struct Volume {
    let root: String
    let user: VolumeSyncTests.User

    var context: String { root + "/app" }
    var outside: String { root + "/outside" }
    var contexts: String { root + "/there/volume/contexts" }
    var onVolume: VolumeFolder {
        VolumeFolder(volume: contexts, name: "context-0", names: ["context-0", "context-1"])
    }

    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(context)/\(name)", atomically: false, encoding: .utf8)
    }

    func writeProgram(_ name: String, _ text: String) throws {
        try writeScript(text, to: URL(filePath: "\(root)/programs/\(name)"))
    }

    func change(_ script: String) async throws {
        try await runShell(script, in: context)
    }

    /// The runner's user owns what lies there.
    func giveToRunner() async throws {
        guard user == .nobody else { return }
        try await runTool(
            "/usr/bin/find", [root + "/there", "-links", "1", "-exec", "chown", "-h", "65534:65534", "{}", "+"])
        try await runTool(
            "/usr/bin/find", [root + "/there", "-type", "d", "-exec", "chown", "-h", "65534:65534", "{}", "+"])
    }

    func send(at place: ContextSync.Place) async throws -> ContextSync.Sent {
        let launcher =
            user == .nobody ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
        let host = LocalHost(environment: ["PATH": "\(root)/programs:/usr/bin:/bin"], launcher: launcher)
        let context = try Context(root: context, dockerfile: "Dockerfile")
        let summary = try context.summary()
        let transfer = Resolution.Transfer(
            context: context, dockerfile: "Dockerfile", remoteName: "context-0", summary: summary)
        let sync = ContextSync(
            rsync: LocalRsync(
                program: "/usr/bin/rsync", helper: Project.executable("lian-rsh"),
                environment: ["PATH": "/usr/bin:/bin"],
                timing: .system))
        let meter = ContextMeter(files: 0, bytes: 0, reporter: NobodyToTell(), timing: .system)
        return try await sync.send(transfer, .none, at: place, meter: meter) {
            ContextSync.Destination(host: host, folder: folder(at: place))
        } onStart: {
        }
    }

    /// What a build finds in the work folder, however it got there. A link is followed, as builds do.
    func arrived(at place: ContextSync.Place) async throws -> Set<String> {
        let folder = folder(at: place) + "/"
        // BuildKit sends a file of several names as one.
        let shared = try await runTool("/usr/bin/find", [folder, "-type", "f", "-links", "+1"])
        #expect(shared == "")
        return try await attributes(of: folder)
    }

    func arrivedNames(at place: ContextSync.Place? = nil) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder(at: place ?? .volume(onVolume, .kept)) + "/")
    }

    private func folder(at place: ContextSync.Place) -> String {
        let name = if case .volume(let folder, _) = place { folder.name } else { "cold" }
        return "\(root)/there/work/\(name)"
    }
}

private struct NobodyToTell: BuildReporter {
    func report(_ event: ProgressEvent) {}
}

private func withVolume(
    for user: VolumeSyncTests.User = .caller, _ body: (Volume) async throws -> Void
) async throws {
    try await withTemporaryFolder(inMemory: true) { folder in
        let volume = Volume(root: folder.path, user: user)
        for name in ["app", "outside", "programs", "there/work", "there/volume/contexts/lian-build"] {
            try FileManager.default.createDirectory(
                at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        try "not yours".write(toFile: volume.outside + "/victim", atomically: false, encoding: .utf8)
        try await volume.giveToRunner()
        try await body(volume)
    }
}

/// Type, mode, size, time, owner, link target and content of everything below. A folder's size is the file system's.
private func attributes(of folder: String) async throws -> Set<String> {
    let script = #"""
        cd "$0"
        find . -mindepth 1 \( -type d -printf '%P %y %m %T@ %U:%G\0' -o -printf '%P %y %m %s %T@ %U:%G %l\0' \)
        find . -type f -exec sha256sum -z {} +
        """#
    let found = try await run(
        Command("/bin/bash", ["-ec", script, folder], environment: ["PATH": "/usr/bin:/bin"]), deadline: .seconds(60))
    try #require(found.termination.isSuccess, "\(found.errorText)")
    let records = found.output.split(separator: 0).map { record in
        String(String.UnicodeScalarView(record.map { Unicode.Scalar($0) }))
    }
    return Set(records)
}

private func runShell(_ script: String, in folder: String) async throws {
    let result = try await run(
        Command(
            "/bin/bash", ["-ec", script], environment: ["PATH": "/usr/bin:/bin"], workingDirectory: folder),
        deadline: .seconds(60))
    try #require(result.termination.isSuccess, "\(result.errorText)")
}
