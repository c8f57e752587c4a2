import LianCloacina
import LianModel
import Testing

@Suite struct EnvelopeTests {
    @Test func whatWasNotReachedIsNull() {
        let error = CloacinaError(.nameInvalid, .project, "m", hint: "h")
        let json = CloacinaEnvelope(
            command: "package pack", report: CloacinaReport(), error: error, milliseconds: 3
        ).json
        #expect(json["schema"] == "lian-build/cloacina/v1")
        #expect(json["status"] == "failed")
        for name in ["package", "artifact", "upload", "inspection", "plan"] { #expect(json[name] == .null) }
        #expect(json["error"]?["place"] == .null)
        #expect(error.exitStatus == 2)
        #expect(error.asVerdict.exitStatus == 1)
    }
}
