import Glibc

/// A folder that only this user can enter, for what must not outlive its maker.
package struct TemporaryFolder: Sendable {
    package let path: String

    /// In TMPDIR where that is short enough for a socket's path, else in /tmp.
    package init(environment: [String: String]) throws(SystemError) {
        let wanted = temporaryFolder(environment)
        let parent = wanted.utf8.count < 60 ? wanted : "/tmp"
        path = try makeFolderOfItsOwn(in: parent, named: "lian-")
    }

    /// Removes the folder; what was put into it is removed by whoever put it there.
    package func remove() {
        rmdir(path)
    }
}

/// Where this user's programs put what they do not keep.
package func temporaryFolder(_ environment: [String: String]) -> String {
    environment["TMPDIR"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
}

/// A new folder that only this user can enter, called by the beginning and six characters that no other has there.
package func makeFolderOfItsOwn(in parent: String, named beginning: String) throws(SystemError) -> String {
    var template = Array("\(parent)/\(beginning)XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp in \(parent)") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
