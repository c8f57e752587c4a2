import Foundation
import Glibc
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianBuild

/// How an output takes its place.
@Suite struct OutputDraftTests {
    private func names(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func aFolderIsMergedAndLinksLeadWhereTheyDid() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "out")
            try FileManager.default.createDirectory(
                at: place.appending(path: "sub"), withIntermediateDirectories: true)
            for name in ["kept", "sub/kept", "sub/new"] {
                try "old".write(to: place.appending(path: name), atomically: true, encoding: .utf8)
            }
            try FileManager.default.createSymbolicLink(
                atPath: place.appending(path: "link").path, withDestinationPath: "kept")
            let draft = try OutputDraft(of: place.path, isFolder: true)
            try FileManager.default.createDirectory(atPath: "\(draft.path)/sub", withIntermediateDirectories: true)
            try writeFile("\(draft.path)/sub/new", "newer")
            // A link at the place is replaced, and not what it leads to.
            try writeFile("\(draft.path)/link", "a file")
            for (name, target) in [
                ("away", "/rsyncd-munged//etc"), ("sub/plain", "/rsyncd-munged/../kept"), ("odd", "x"),
            ] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(draft.path)/\(name)", withDestinationPath: target)
            }
            #expect(try draft.commit() == 11)
            #expect(try String(contentsOf: place.appending(path: "sub/new"), encoding: .utf8) == "newer")
            #expect(try String(contentsOf: place.appending(path: "kept"), encoding: .utf8) == "old")
            #expect(try String(contentsOf: place.appending(path: "link"), encoding: .utf8) == "a file")
            for (name, target) in [("away", "/etc"), ("sub/plain", "../kept"), ("odd", "x")] {
                #expect(
                    try FileManager.default.destinationOfSymbolicLink(atPath: place.appending(path: name).path)
                        == target)
            }
        }
    }

    @Test(arguments: ["a file", "a link", "a folder"]) func whatIsInTheWayIsNamedAndNothingIsMoved(_ what: String)
        async throws
    {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "out")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let obstacle = place.appending(path: "z")
            switch what {
            case "a file": try "old".write(to: obstacle, atomically: true, encoding: .utf8)
            case "a link":
                try FileManager.default.createSymbolicLink(atPath: obstacle.path, withDestinationPath: folder.path)
            default: try FileManager.default.createDirectory(at: obstacle, withIntermediateDirectories: true)
            }
            do {
                let draft = try OutputDraft(of: place.path, isFolder: true)
                try writeFile("\(draft.path)/a", "new")
                if what == "a folder" {
                    try writeFile("\(draft.path)/z", "new")
                } else {
                    try FileManager.default.createDirectory(
                        atPath: "\(draft.path)/z", withIntermediateDirectories: true)
                    try writeFile("\(draft.path)/z/in", "new")
                }
                let error = #expect(throws: LianError.self) { try draft.commit() }
                #expect(error?.code == .outputFailed && error?.message.contains("z is \(what)") == true)
            }
            #expect(try names(place) == ["z"])
        }
    }

    @Test func nothingIsThereBeforeItIsWhole() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "deep/er/out.tar")
            do {
                let draft = try OutputDraft(of: place.path, isFolder: false)
                try writeFile(draft.path, "half")
                #expect(try names(folder).count == 1)
            }
            #expect(try names(folder) == [])
            let draft = try OutputDraft(of: place.path, isFolder: false)
            try writeFile(draft.path, "whole")
            #expect(try draft.commit() == 5)
            #expect(try String(contentsOf: place, encoding: .utf8) == "whole")
        }
    }

    /// A draft in use is locked; one that is not is of a process that was killed.
    @Test func leftoversAreRemovedAndDraftsInUseStay() async throws {
        try await withTemporaryFolder { folder in
            let leftover = folder.appending(path: ".lian-build-output-abcdef")
            try FileManager.default.createDirectory(
                at: leftover.appending(path: "output/deep"), withIntermediateDirectories: true)
            try "half".write(to: leftover.appending(path: "output/deep/file"), atomically: true, encoding: .utf8)
            let victim = folder.appending(path: "victim")
            try FileManager.default.createDirectory(at: victim, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending(path: ".lian-build-output-link").path, withDestinationPath: victim.path)
            try FileManager.default.createSymbolicLink(
                atPath: leftover.appending(path: "output/link").path, withDestinationPath: victim.path)
            try "mine".write(to: victim.appending(path: "file"), atomically: true, encoding: .utf8)
            let first = try OutputDraft(of: folder.appending(path: "a").path, isFolder: false)
            let second = try OutputDraft(of: folder.appending(path: "b").path, isFolder: false)
            #expect(!FileManager.default.fileExists(atPath: leftover.path))
            #expect(try names(victim) == ["file"])
            #expect(
                FileManager.default.fileExists(atPath: first.path)
                    && FileManager.default.fileExists(atPath: second.path))
        }
    }

    /// As somebody who has no way around modes, also where the tests run as root.
    private func asNobodySpecial<Value: Sendable>(
        _ folder: URL, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let user: uid_t = geteuid() == 0 ? 65534 : geteuid()
        chown(folder.path, user, gid_t.max)
        // Whose files a thread opens, of this thread alone, which ends with the body. Glibc's module leaves it out.
        typealias SetUser = @convention(c) (uid_t) -> Int32
        let setUser = unsafeBitCast(try #require(dlsym(nil, "setfsuid")), to: SetUser.self)
        return try await onOwnThread {
            _ = setUser(user)
            return Result { try body() }
        }.get()
    }

    /// What a mode keeps its owner out of comes as it is, and can be removed.
    @Test func aFolderThatIsClosedToItsOwner() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "out").path
            try await asNobodySpecial(folder) {
                for (isCommitted, isThere) in [(false, false), (true, false), (true, true)] {
                    // What lies at the place already is open.
                    if isThere { for name in ["closed", "closed/inner"] { chmod("\(place)/\(name)", 0o700) } }
                    let draft = try OutputDraft(of: place, isFolder: true)
                    try FileManager.default.createDirectory(
                        atPath: "\(draft.path)/closed/inner", withIntermediateDirectories: true)
                    try writeFile("\(draft.path)/closed/inner/file", "new")
                    chmod("\(draft.path)/closed/inner", 0o111)
                    chmod("\(draft.path)/closed", 0)
                    if isCommitted { #expect(try draft.commit() == 3) }
                }
            }
            #expect(try names(folder) == ["out"] && names(folder.appending(path: "out")) == ["closed"])
            for (name, mode) in [("closed", 0), ("closed/inner", 0o111)] {
                let found = try FileManager.default.attributesOfItem(atPath: "\(place)/\(name)")
                #expect(found[.posixPermissions] as? Int == mode)
                chmod("\(place)/\(name)", 0o700)
            }
            #expect(try readText("\(place)/closed/inner/file") == "new")
        }
    }

    /// A folder at the place that nothing can be put into is told before anything is.
    @Test(.needsRoot) func aFolderOfSomebodyElse() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "out")
            let theirs = place.appending(path: "theirs")
            try FileManager.default.createDirectory(at: theirs, withIntermediateDirectories: true)
            chmod(theirs.path, 0o755)
            // Neither the process nor the thread owns it.
            chown(theirs.path, 65533, gid_t.max)
            chown(place.path, 65534, gid_t.max)
            try await asNobodySpecial(folder) {
                let draft = try OutputDraft(of: place.path, isFolder: true)
                for name in ["a", "b", "c", "x", "y", "z"] { try writeFile("\(draft.path)/\(name)", "new") }
                try FileManager.default.createDirectory(
                    atPath: "\(draft.path)/theirs", withIntermediateDirectories: true)
                try writeFile("\(draft.path)/theirs/file", "new")
                let error = #expect(throws: LianError.self) { try draft.commit() }
                #expect(error?.message.contains("theirs: Permission denied") == true, "\(String(describing: error))")
            }
            #expect(try names(place) == ["theirs"])
        }
    }

    /// Whoever reads a cache's index finds what it names.
    @Test func foldersComeBeforeFiles() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appending(path: "out").path
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            let draft = try OutputDraft(of: place, isFolder: true)
            let folders = ["blobs", "m", "zzz"]
            for name in folders {
                try FileManager.default.createDirectory(
                    atPath: "\(draft.path)/\(name)", withIntermediateDirectories: true)
            }
            for name in ["index.json", "a", "oci-layout"] { try writeFile("\(draft.path)/\(name)", "") }
            let watch = FileDescriptor(owning: inotify_init1(Int32(IN_CLOEXEC)))
            try #require(inotify_add_watch(watch.raw, place, UInt32(IN_MOVED_TO)) >= 0)
            _ = try draft.commit()
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = read(watch.raw, &bytes, bytes.count)
            var moved: [String] = []
            var start = 0
            while start + 16 <= count {
                // Behind four numbers, the last of which is its length, stands the name.
                let size = Int(bytes[start + 12]) | Int(bytes[start + 13]) << 8
                let name = bytes[(start + 16)..<(start + 16 + size)].prefix { $0 != 0 }
                moved.append(String(decoding: name, as: UTF8.self))
                start += 16 + size
            }
            #expect(moved.count == 6 && moved.prefix(3).sorted() == folders, "\(moved)")
        }
    }
}
