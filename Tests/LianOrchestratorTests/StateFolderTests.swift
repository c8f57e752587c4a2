import Foundation
import Glibc
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Who may stand above the state folder: whoever can rename it can put another in its place, with keys of theirs.
@Suite struct StateFolderTests {
    private func refusal(of path: String) -> String? {
        do {
            _ = try StateFolder(path)
            return nil
        } catch {
            return error.description
        }
    }

    private func make(_ path: String, mode: mode_t, owner: uid_t = geteuid()) throws {
        try makeFolder(path)
        guard chmod(path, mode) == 0, chown(path, owner, gid_t.max) == 0 else { throw SystemError("chmod \(path)") }
    }

    /// Tried by making it, and nothing is left. Its folders may have letters of several bytes.
    @Test(arguments: ["\u{E9}\u{E9}", "sign\u{600}"])
    func whetherOneCanBeMadeIsTried(name: String) async throws {
        try await withShortTemporaryFolder { folder in
            let above = "\(folder.path)/\(name)"
            try make(above, mode: 0o700)
            for path in ["\(above)/a", "\(above)/a/b"] {
                let obstacle = StateFolder.obstacle(at: path)
                #expect(obstacle == nil, "\(obstacle?.description ?? "")")
            }
            #expect(try folderEntries(above) == [])
            try writeFile("\(above)/a", "")
            #expect(StateFolder.obstacle(at: "\(above)/a")?.description.contains("is not a folder") == true)
        }
    }

    @Test("row 77: a state folder below one that another user owns is refused", .needsRoot)
    func anothersFolder() async throws {
        try await withShortTemporaryFolder { folder in
            let home = "\(folder.path)/ann"
            try make(home, mode: 0o755, owner: 65534)
            // One that is there already, one that is not, and one behind a link.
            try make("\(home)/own", mode: 0o700)
            symlink("\(home)/own", "\(folder.path)/link")
            symlink("ann/../ann/own/..", "\(folder.path)/crooked")
            for path in ["\(home)/own", "\(home)/new/s", "\(folder.path)/link/s", "\(folder.path)/crooked/own/s"] {
                let said = try #require(refusal(of: path))
                #expect(said.contains("\(home), which belongs to another user (nobody)"), "\(said)")
                #expect(said.contains("choose another by --state"))
            }
            // Nothing is left in a folder that was refused.
            #expect(try folderEntries(home) == ["own"])
            #expect(try folderEntries("\(home)/own").isEmpty)
        }
    }

    @Test("row 77: a state folder below one that others may write is refused, with the mend")
    func writableFolders() async throws {
        try await withShortTemporaryFolder { folder in
            for mode in [0o777, 0o775, 0o757] as [mode_t] {
                let open = "\(folder.path)/open\(mode)"
                try make(open, mode: mode)
                #expect(try #require(refusal(of: "\(open)/s")).contains("`chmod go-w \(open)`"))
                #expect(try folderEntries(open).isEmpty)
                // The state folder itself may be one while it is empty, and then no longer is one.
                try writeFile("\(open)/token", "of another")
                for _ in 0..<2 { #expect(try #require(refusal(of: open)).contains("`chmod go-w \(open)`")) }
                unlink("\(open)/token")
                #expect(refusal(of: open) == nil)
                var status = stat()
                #expect(stat(open, &status) == 0 && status.st_mode & 0o777 == 0o700)
            }
            // Where names are their owners' alone, as in /tmp, all is well as long as they are ours or root's.
            let sticky = "\(folder.path)/sticky"
            try make(sticky, mode: 0o1777)
            #expect(refusal(of: "\(sticky)/s") == nil)
            #expect(try #require(refusal(of: sticky)).contains("`chmod go-w \(sticky)`"))
            if geteuid() == 0 {
                try make("\(sticky)/anns", mode: 0o755, owner: 65534)
                #expect(try #require(refusal(of: "\(sticky)/anns/s")).contains("\(sticky)/anns, which belongs to"))
                symlink(folder.path, "\(sticky)/link")
                lchown("\(sticky)/link", 65534, gid_t.max)
                #expect(try #require(refusal(of: "\(sticky)/link/s")).contains("\(sticky)/link, which belongs to"))
            }
        }
    }

    @Test func linksAreFollowedAsTheKernelDoes() async throws {
        try await withShortTemporaryFolder { folder in
            try make("\(folder.path)/a/b", mode: 0o755)
            symlink("a/b/../b", "\(folder.path)/link")
            #expect(try StateFolder("\(folder.path)/link/./s/").path == realPath("\(folder.path)/a/b/s"))
            symlink("loop", "\(folder.path)/loop")
            #expect(try #require(refusal(of: "\(folder.path)/loop/s")).contains("symbolic links"))
            #expect(FileManager.default.createFile(atPath: "\(folder.path)/file", contents: nil))
            #expect(try #require(refusal(of: "\(folder.path)/file/s")).contains("Not a directory"))
        }
    }
}
