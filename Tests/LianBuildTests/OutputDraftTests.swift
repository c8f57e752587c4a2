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
}
