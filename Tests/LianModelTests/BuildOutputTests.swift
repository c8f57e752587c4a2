import LianModel
import Testing

@Suite struct BuildOutputTests {
    private static let good: [(String, BuildOutput.Kind, String?)] = [
        ("out", .local, "out"), ("a b/c", .local, "a b/c"), (".", .local, "."),
        ("type=local,dest=out", .local, "out"), ("dest=a=b,type=tar", .tar, "a=b"), ("type=oci,dest=/x", .oci, "/x"),
        ("type=docker,dest=x.tar", .docker, "x.tar"), ("type=image", .image, nil), ("type=registry", .registry, nil),
        ("type=image,push=true", .image, nil),
    ]

    @Test(arguments: good)
    func whatBuildxWrites(_ text: String, _ kind: BuildOutput.Kind, _ dest: String?) throws {
        let output = try BuildOutput(text)
        #expect(output.kind == kind && output.dest == dest && output.pushes)
    }

    @Test func anImageThatIsNotPushed() throws {
        #expect(try !BuildOutput("type=image,push=false").pushes)
    }

    @Test(arguments: [
        ("-", "stdout"), ("type=tar,dest=-", "stdout"), ("type=tar", "needs dest=FILE"),
        ("type=local", "needs dest=FOLDER"), ("dest=out", "needs type="), ("type=zip,dest=x", "one of image"),
        ("type=tar,dest=a,dest=b", "gives 'dest' twice"), ("type=tar,dest=", "KEY=VALUE"), ("a,b", "KEY=VALUE"),
        ("type=image,name=r.example/a:1", "--image and --tag name the image"),
        ("type=oci,dest=x,compression=zstd", "--compression says it"), ("type=image,push=no", "push must be true"),
        ("type=registry,push=false", "push must be true"), ("type=image,dest=x", "no key 'dest'"),
        ("https://x.example/a", "not a URL"), ("", "not empty"), ("type=tar,dest=https://x", "dest= must be"),
    ])
    func whatIsWrongIsNamed(_ text: String, _ reason: String) {
        let problem = #expect(throws: BuildOutput.Problem.self) { try BuildOutput(text) }
        #expect(problem?.reason.contains(reason) == true, "\(text): \(problem?.reason ?? "")")
    }
}
