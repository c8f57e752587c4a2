import Foundation
import Glibc
import LianBuild
import LianModel
import LianRegistry
import LianTestSupport
import Testing

@Suite struct DockerConfigTests {
    /// A Docker config, and a credential helper `lian` that knows one host and fails on another.
    private func withConfig(
        _ json: String, _ body: (DockerConfig?, [String: String]) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            try json.write(to: folder.appending(path: "config.json"), atomically: true, encoding: .utf8)
            let helper = folder.appending(path: "docker-credential-lian")
            try """
            #!/bin/sh
            read -r server
            case $1-$server in
            get-known.example) echo '{"ServerURL":"known.example","Username":"ada","Secret":"pw:1"}' ;;
            get-token.example) echo '{"ServerURL":"token.example","Username":"<token>","Secret":"t-1"}' ;;
            get-broken.example) echo 'not json' ;;
            get-failing.example) echo 'keychain is locked' >&2; exit 1 ;;
            *) echo 'credentials not found in native keychain'; exit 1 ;;
            esac
            """.write(to: helper, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: helper.path)
            let environment = ["DOCKER_CONFIG": folder.path, "PATH": "\(folder.path):/usr/bin:/bin"]
            try await body(try DockerConfig.load(environment: environment), environment)
        }
    }

    @Test func plainEntries() async throws {
        let auth = Data("user:pass:word".utf8).base64EncodedString()
        let json = """
            {"auths":{"a.example":{"auth":"\(auth)"},"b.example":{"identitytoken":"t"},
            "c.example":{"username":"u","password":"p"},"https://index.docker.io/v1/":{"auth":"\(auth)"},"d.example":{}}}
            """
        try await withConfig(json) { config, _ in
            let config = try #require(config)
            #expect(try await config.login(host: "a.example") == .basic(username: "user", password: "pass:word"))
            #expect(try await config.login(host: "b.example") == .identityToken("t"))
            #expect(try await config.login(host: "c.example") == .basic(username: "u", password: "p"))
            #expect(try await config.login(host: "docker.io") == .basic(username: "user", password: "pass:word"))
            #expect(try await config.login(host: "d.example") == nil)
            #expect(try await config.login(host: "e.example") == nil)
        }
    }

    @Test func helpersAreAsked() async throws {
        try await withConfig(#"{"credsStore":"lian"}"#) { config, _ in
            let config = try #require(config)
            #expect(try await config.login(host: "known.example") == .basic(username: "ada", password: "pw:1"))
            #expect(try await config.login(host: "token.example") == .identityToken("t-1"))
            #expect(try await config.login(host: "unknown.example") == nil)
            for host in ["broken.example", "failing.example"] {
                let error = await #expect(throws: LianError.self) { try await config.login(host: host) }
                #expect(error?.code == .credentialMissing)
            }
        }
    }

    /// What is wrong is said by its place: a key may be a password where a quote is missing.
    @Test(arguments: [
        #"{"auths":{"a.example":{"auth":"x","hush-hush" "y"}}}"#, #"{"hush-hush":1,"hush-hush":2}"#,
        #"{"auths":{"a.example":{"auth":12345678e999}}}"#,
    ])
    func aMalformedConfigIsNotQuoted(json: String) async throws {
        let error = await #expect(throws: LianError.self) { try await withConfig(json) { _, _ in } }
        #expect(error?.code == .credentialMissing && error?.message.contains("line 1, column") == true)
        #expect(error?.message.contains("hush") == false && error?.message.contains("12345678") == false)
    }

    @Test func aLoginIsSecretInBothItsForms() {
        let auth = Data("ada:pw:1".utf8).base64EncodedString()
        #expect(RegistryLogin.basic(username: "ada", password: "pw:1").secrets == ["pw:1", auth])
        #expect(RegistryLogin.identityToken("t-1").secrets == ["t-1"])
    }

    /// Docker's own tools write empty names where they take a helper away.
    @Test func aHelperWithoutANameIsNone() async throws {
        let auth = Data("user:word".utf8).base64EncodedString()
        let auths = "\"auths\":{\"known.example\":{\"auth\":\"\(auth)\"},\"a.example\":{\"auth\":\"\(auth)\"}}"
        let plain = RegistryLogin.basic(username: "user", password: "word")
        try await withConfig("{\"credsStore\":\"\",\(auths)}") { config, _ in
            let config = try #require(config)
            #expect(try await config.login(host: "known.example") == plain)
        }
        // One of a host's own stands in the store's place, an empty one too.
        for helpers in [#"{"known.example":""}"#, #"{"known.example":"","a.example":"lian"}"#] {
            try await withConfig("{\"credsStore\":\"lian\",\"credHelpers\":\(helpers),\(auths)}") { config, _ in
                let config = try #require(config)
                #expect(try await config.login(host: "known.example") == plain)
                #expect(try await config.login(host: "token.example") == .identityToken("t-1"))
            }
        }
        try await withConfig(#"{"credsStore":"","credHelpers":{"known.example":"lian"}}"#) { config, _ in
            let config = try #require(config)
            #expect(try await config.login(host: "known.example") == .basic(username: "ada", password: "pw:1"))
            #expect(try await config.login(host: "token.example") == nil)
        }
    }

    /// Docker compares what is left of a key without its scheme and its path.
    @Test(arguments: [
        ("a.example", "a.example"), ("http://a.example", "a.example"), ("https://a.example", "a.example"),
        ("https://a.example/", "a.example"), ("https://a.example/v1/", "a.example"), ("a.example/v2/", "a.example"),
        ("http://a.example:5000/v2/", "a.example:5000"), ("index.docker.io", "docker.io"),
        ("https://index.docker.io/v1/access", "docker.io"),
    ])
    func aKeyMayBeAURL(key: String, host: String) async throws {
        try await withConfig(#"{"auths":{"\#(key)":{"username":"u","password":"p"}}}"#) { config, _ in
            let config = try #require(config)
            #expect(try await config.login(host: host) == .basic(username: "u", password: "p"))
            for other in ["a.example:1", "example", "b.a.example", "http:", "https"] {
                #expect(try await config.login(host: other) == nil)
            }
        }
    }

    @Test func theKeyAsDockerWritesItComesFirst() async throws {
        let json = """
            {"auths":{"http://a.example":{"username":"x","password":"x"},"a.example":{"username":"u","password":"p"},
            "empty.example":{"username":"","password":""},
            "both.example":{"username":"x","password":"x","auth":"\(Data("u:p".utf8).base64EncodedString())"}}}
            """
        try await withConfig(json) { config, _ in
            let config = try #require(config)
            #expect(try await config.login(host: "a.example") == .basic(username: "u", password: "p"))
            #expect(try await config.login(host: "both.example") == .basic(username: "u", password: "p"))
            #expect(try await config.login(host: "empty.example") == nil)
        }
    }

    @Test func anEmptyVariableIsNone() async throws {
        try await withConfig(#"{"auths":{"a.example":{"username":"u","password":"p"}}}"#) { _, environment in
            let folder = try #require(environment["DOCKER_CONFIG"])
            symlink(".", "\(folder)/.docker")
            let config = try #require(try DockerConfig.load(environment: ["DOCKER_CONFIG": "", "HOME": folder]))
            #expect(try await config.login(host: "a.example") == .basic(username: "u", password: "p"))
            #expect(try DockerConfig.load(environment: ["DOCKER_CONFIG": "", "HOME": ""]) == nil)
        }
    }

    @Test func aConfigThatIsNoFileIsNotOpened() async throws {
        try await withTemporaryFolder { folder in
            mkfifo(folder.appending(path: "config.json").path, 0o600)
            let error = #expect(throws: LianError.self) {
                try DockerConfig.load(environment: ["DOCKER_CONFIG": folder.path])
            }
            #expect(error?.message.contains("not a regular file") == true)
        }
    }

    @Test func aMissingHelperIsNamed() async throws {
        try await withConfig(#"{"credHelpers":{"known.example":"absent"}}"#) { config, _ in
            let error = await #expect(throws: LianError.self) { try await config?.login(host: "known.example") }
            #expect(error?.message.contains("docker-credential-absent") == true)
        }
    }

    @Test func brokenFilesAreNamed() async throws {
        let error = await #expect(throws: LianError.self) { try await withConfig("{") { _, _ in } }
        #expect(error?.code == .credentialMissing)
        try await withConfig(#"{"auths":{"a.example":{"auth":"%%%"}}}"#) { config, _ in
            await #expect(throws: LianError.self) { try await config?.login(host: "a.example") }
        }
    }

    /// Docker takes it so.
    @Test(arguments: ["", " \n"])
    func anEmptyConfigIsNone(text: String) async throws {
        try await withConfig(text) { config, _ in #expect(config == nil) }
    }

    @Test func withoutAConfigThereIsNone() throws {
        #expect(try DockerConfig.load(environment: ["HOME": "/nonexistent"]) == nil)
        #expect(try DockerConfig.load(environment: [:]) == nil)
    }
}
