import CloacinaPlugin

/// The name is that of package.toml: an engine finds no workflow where they differ.
let package = CloacinaPackage(name: "swift-demo", workflow: "swift_demo", description: "A workflow in Swift") {
    PackageTask("hello") { context in
        context["hello"] = "world"
    }
    PackageTask("goodbye", after: ["hello"]) { context in
        context["done"] = true
    }
    PackageTrigger("hourly", on: "swift_demo", cron: "0 * * * *")
}

@_cdecl("fidius_get_registry")
public func registry() -> UnsafeRawPointer { package.registry }
