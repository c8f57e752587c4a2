import Foundation
import LianHTTP
import LianModel
import LianSystem
import LianTestSupport
import Testing

@testable import LianOrchestrator

/// Numbers that no cloud has any reason to send, and that end nothing.
@Suite struct OddAnswerTests {
    @Test(arguments: [1e30, -1, .greatestFiniteMagnitude])
    func aServerTypeOfAnImpossibleSize(memory: Double) {
        func type(_ memory: Double) -> HCloudOffer.ServerType? {
            HCloudOffer.ServerType(["name": "cx22", "cores": 2, "memory": .number(memory), "architecture": "x86"])
        }
        #expect(type(memory) == nil)
        #expect(type(4)?.memoryMB == 4096)
    }

    /// Machines cost money until they are destroyed: nobody waits an hour with that because an answer says so.
    @Test(arguments: [
        ["Retry-After": "3600"], ["RateLimit-Reset": "4000000000"],
        ["RateLimit-Reset": "-9223372036854775808"], ["RateLimit-Reset": "9223372036854775807"],
    ])
    func whatMayNotBeAskedForLongIsAskedBeforeLong(headers: [String: String]) async throws {
        let cloud = try ScriptedHTTPServer()
        defer { cloud.stop() }
        cloud.on("GET", "/v1/servers") { _, _ in
            .json(429, ["error": ["code": "rate_limit_exceeded"]], headers: headers)
        }
        let api = try HCloudAPI(try HTTPURL("\(cloud.url)/v1"), token: Array("token".utf8))
        let failure = await onOwnThread {
            Result { () throws(HCloudFailure) in _ = try api.ask(.get, "/servers") }
        }
        guard case .failure(let refusal) = failure else {
            Issue.record("it was answered")
            return
        }
        #expect(refusal.kind == .limited && (.seconds(1) ... .seconds(10)).contains(refusal.pause), "\(refusal)")
    }

    @Test func aNodeWithImpossibleMemory() {
        let most = JSONValue.integer(.max)
        let node: JSONValue = [
            "type": "node", "node": "pve1", "status": "online", "maxmem": most, "mem": .integer(.min),
        ]
        let guests = (1...3).map { number -> JSONValue in
            [
                "type": "qemu", "vmid": .integer(number), "node": "pve1", "status": "running", "maxmem": most,
                "name": "a", "pool": "p",
            ]
        }
        let resources = ProxmoxResources(.array([node] + guests))
        let places = ProxmoxPlaces(9001...9002)
        let size = WireSize(tier: nil, cpu: 1, memoryMB: 512)
        #expect(places.refusal(of: size, on: ["pve1"], in: resources) != nil)
    }

    /// A VMID that a machine of others has had is no use only as long as that machine may be there.
    @Test func aVMIDThatWasTakenIsTriedAgainInTheEnd() {
        let node: JSONValue = [
            "type": "node", "node": "pve1", "status": "online", "maxmem": .integer(64 << 30), "mem": 0,
        ]
        let resources = ProxmoxResources([node])
        let size = WireSize(tier: nil, cpu: 1, memoryMB: 512)
        for (avoidance, isFree) in [(Duration.seconds(600), false), (.zero, true)] {
            let places = ProxmoxPlaces(9001...9001, avoidance: avoidance)
            places.avoid(9001)
            #expect((places.refusal(of: size, on: ["pve1"], in: resources) == nil) == isFree)
        }
    }

    @Test func aContainerMayHaveAnyLimit() {
        for (text, bytes) in [
            ("8000000TB", nil), ("99999999999999999999TB", nil), ("4GiB", 4 << 30), ("50%", 536_870_900),
        ] as [(String, Int?)] {
            #expect(lxdBytes(text, of: 1 << 30) == bytes, "\(text)")
        }
    }
}
