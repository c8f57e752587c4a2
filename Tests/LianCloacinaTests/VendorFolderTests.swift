import Foundation
import LianSystem
import LianTestSupport
import Testing

@testable import LianCloacina

@Suite struct VendorFolderTests {
    @Test(arguments: [
        [[("a", "1")], [("a", "2")]], [[("a", "1")], [("a/b", "1")]], [[("a/b", "1")], [("a", "1")]],
        [[("a", "1")], [("p1-1.data/purelib/a", "2")]], [[("p0-1.data/platlib/a", "1"), ("a", "2")]],
    ])
    func refusesWheelsThatAreInEachOthersWay(files: [[(String, String)]]) async throws {
        let error = try await refusal(of: files.map { $0.map { Wheels.Entry($0.0, $0.1) } })
        #expect(error?.code == .vendorConflict)
    }

    /// For Swift, both names are equal.
    @Test func tellsSpellingsApart() async throws {
        try await withVendor { vendor, wheel in
            try await vendor.add(wheel(0, [.init("\u{e9}.py", "1"), .init("e\u{301}.py", "2")]))
            #expect(try readText("\(vendor.path)/\u{e9}.py") == "1")
            #expect(try readText("\(vendor.path)/e\u{301}.py") == "2")
        }
    }

    @Test func takesTheFirstOfWhatTellsOfAWheel() async throws {
        try await withVendor { vendor, wheel in
            try await vendor.add(wheel(0, [.init("a.py", "x"), .init("a-1.dist-info/WHEEL", "first")]))
            try await vendor.add(wheel(1, [.init("a.py", "x"), .init("a-1.dist-info/WHEEL", "second")]))
            #expect(try readText("\(vendor.path)/a-1.dist-info/WHEEL") == "first")
        }
    }

    @Test func putsWhatLiesInDataWherePythonFindsIt() async throws {
        try await withVendor { vendor, wheel in
            try await vendor.add(
                wheel(
                    0,
                    [
                        .init("p0-1.data/purelib/a.py", "a"), .init("P0-1.data/platlib/b/c.so", "c"),
                        .init("p0-1.data/scripts/tool", "t"), .init("p0-1.data/data/etc/x", "x"),
                        .init("q-1.data/purelib/kept.py", "k"),
                        .init("own.data/kept.txt", "k"),
                    ]))
            let files = try FileManager.default.subpathsOfDirectory(atPath: vendor.path).filter {
                fileKind("\(vendor.path)/\($0)") == .regular
            }
            #expect(files.sorted() == ["a.py", "b/c.so", "own.data/kept.txt", "q-1.data/purelib/kept.py"])
        }
    }

    @Test(arguments: [
        ([Wheels.Entry("../../escaped", "x")], CloacinaCode.archivePathTraversal),
        ([Wheels.Entry("a", "/etc", mode: 0o120777), Wheels.Entry("a/b", "x")], .archiveSymlink),
        ([Wheels.Entry("p0-1.data/purelib/../../../escaped", "x")], .archivePathTraversal),
        ([Wheels.Entry("a", "x"), Wheels.Entry("a", "y")], .archiveDuplicate),
    ])
    func writesNothingOfHostileWheels(entries: [Wheels.Entry], code: CloacinaCode) async throws {
        let error = try await refusal(of: [[Wheels.Entry("a.py", "x")] + entries])
        #expect(error?.code == code)
        #expect(error?.exitStatus == 1)
    }

    @Test func countsTheFilesOfAllWheelsTogether() async throws {
        let half = (0..<ArchiveLimits.entries / 2 + 1)
        let error = try await refusal(of: [half.map { .init("a/\($0)", "") }, half.map { .init("b/\($0)", "") }])
        #expect(error?.code == .archiveTooManyEntries)
    }

    /// Why one of the wheels is refused. Nothing is written but what came before.
    private func refusal(of wheels: [[Wheels.Entry]]) async throws -> CloacinaError? {
        var error: CloacinaError?
        try await withVendor { vendor, wheel in
            for (index, entries) in wheels.enumerated() {
                let wheel = try await wheel(index, entries)
                let before = try FileManager.default.subpathsOfDirectory(atPath: vendor.path)
                do throws(CloacinaError) {
                    try vendor.add(wheel)
                } catch let refused {
                    error = refused
                    let isFirst = before.isEmpty && entries.count > 2
                    let after = try FileManager.default.subpathsOfDirectory(atPath: vendor.path)
                    #expect(!isFirst || after == before)
                }
            }
            let beside = try FileManager.default.contentsOfDirectory(atPath: parentFolder(vendor.path))
            #expect(Set(beside).isSubset(of: ["vendor", "wheels"]))
        }
        return error
    }

    private func withVendor(
        _ body: (inout VendorFolder, (Int, [Wheels.Entry]) async throws -> Wheel) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let wheels = folder.appending(path: "wheels")
            let vendor = folder.appending(path: "vendor").path
            try makeFolder(vendor)
            var folderOfAll = VendorFolder(vendor, stop: StopRequest())
            try await body(&folderOfAll) { number, entries in
                let file = "p\(number)-1-py3-none-any.whl"
                try await Wheels.make([.init(file, entries)], in: wheels)
                return Wheel(
                    path: wheels.appending(path: file).path, pin: Pin(name: "p\(number)", version: "1", hashes: []),
                    sha256: "")
            }
        }
    }
}
