import Foundation
import LianModel
import LianSystem
import LianTestSupport
import Testing

/// `plugin inspect` over libraries that the compilers here make, beside what binutils and a loaded library say.
@Suite struct PluginInspectTests {
    /// How the compiler puts the addresses into it: functions that others could replace, by their names; the rest by
    /// relative relocations, plain or compact.
    @Test(
        "what is read and what is answered are the same of a plugin in C",
        arguments: [
            [], ["-Wl,-z,pack-relative-relocs"], ["-DHIDDEN="], ["-DHIDDEN=", "-Wl,-z,pack-relative-relocs"],
            ["-Wl,--hash-style=sysv"], ["-s"],
        ])
    func readAndLoaded(flags: [String]) async throws {
        try await withCloacinaFolder { folder in
            try await folder.compile(CPlugin.good, flags)
            let read = try await folder.run(["plugin", "inspect", "plugin.so"])
            #expect(read.status == 0, "\(read.errors)")
            let library = try #require(read.envelope["inspection"]?["library"])
            let descriptor = try #require(library["descriptors"]?[0])
            #expect(library["descriptors"]?.arrayValue?.count == 1)
            #expect(library["loaded"] == .null)
            #expect(descriptor["interface"] == "CloacinaPlugin")
            #expect(descriptor["plugin"] == "CDemo")
            #expect(descriptor["hash"] == "0x1122334455667788")
            #expect(descriptor["hash_known"] == false)
            #expect(descriptor["method_count"] == 9)
            let present = descriptor["methods"]?.arrayValue?.map { $0["present"] == true }
            // The fourth has no function, the last no bit.
            #expect(present == [true, true, true, false, true, true, true, true, false])

            let asked = try await folder.run(["plugin", "inspect", "plugin.so", "--load"])
            #expect(asked.status == 0, "\(asked.errors)")
            #expect(asked.warnings == ["runs_library_code"])
            let loaded = try #require(asked.envelope["inspection"]?["library"]?["loaded"])
            #expect(loaded["descriptors"] == library["descriptors"])
            let methods = loaded["methods"]?.arrayValue ?? []
            #expect(
                methods.map { $0["name"] } == [
                    "get_task_metadata", "get_graph_metadata", "get_reactor_metadata", "get_trigger_metadata",
                    "get_triggerless_graph_metadata",
                ])
            #expect(methods.first?["error"] == ["code": "NONE", "message": "not today"])
            #expect(methods.first?["status"] == -3)
        }
    }

    @Test("the same of a plugin in Rust", .enabled(if: (try? Project.tool("rustc")) != nil, "there is no rustc"))
    func inRust() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("plugin.rs", rustPlugin)
            let compiler = try await LianSystem.run(
                Command(
                    try Project.tool("rustc"),
                    ["--crate-type", "cdylib", "-O", "-C", "strip=symbols", "-o", "plugin.so", "plugin.rs"],
                    environment: ProcessInfo.processInfo.environment, workingDirectory: folder.url.path),
                deadline: .seconds(600))
            #expect(compiler.termination.isSuccess, "\(compiler.errorText)")
            let run = try await folder.run(["plugin", "inspect", "plugin.so", "--load"])
            #expect(run.status == 0, "\(run.errors)")
            let library = try #require(run.envelope["inspection"]?["library"])
            #expect(library["descriptors"]?[0]?["hash_known"] == true)
            #expect(library["descriptors"]?[0]?["plugin"] == "CloacinaPackagePlugin")
            #expect(library["descriptors"] == library["loaded"]?["descriptors"])
        }
    }

    @Test("a library in an archive is looked into as the library itself")
    func inAnArchive() async throws {
        try await withCloacinaFolder { folder in
            try await folder.compile(CPlugin.good, [])
            let alone = try await folder.run(["plugin", "inspect", "plugin.so", "--load"])
            let library = alone.envelope["inspection"]?["library"]
            #expect(library?["loaded"]?["methods"]?.arrayValue?.count == 5)
            let script = """
                import io, sys, tarfile
                manifest = b'[package]\\nname = "c"\\nversion = "1"\\n[metadata]\\nlanguage = "rust"\\n'
                for name, files in {"with": ["libc.so"], "without": []}.items():
                    with tarfile.open(name + ".cloacina", "w:bz2") as tar:
                        member = tarfile.TarInfo("c-1/package.toml")
                        member.size = len(manifest)
                        tar.addfile(member, io.BytesIO(manifest))
                        for file in files:
                            tar.add("plugin.so", "c-1/" + file)
                """
            _ = try await folder.python(script)
            for command in ["plugin", "package"] {
                let read = try await folder.run([command, "inspect", "with.cloacina"])
                #expect(read.status == 0, "\(read.errors)")
                let told = read.envelope["inspection"]?["library"]
                #expect(told?["descriptors"] == library?["descriptors"])
                #expect(told?["loaded"] == .null)
                let asked = try await folder.run([command, "inspect", "with.cloacina", "--load"])
                #expect(asked.status == 0, "\(asked.errors)")
                #expect(asked.envelope["inspection"]?["library"] == library)
                #expect(asked.warnings.contains("runs_library_code"))
                #expect(
                    try await folder.run([command, "inspect", "plugin.so"]).envelope["inspection"]?["format"]
                        == "library")
            }
            let without = try await folder.run(["plugin", "inspect", "without.cloacina"])
            #expect(without.status == 1)
            #expect(without.code == "library_missing")
            #expect(try folderEntries(folder.path("tmp")).isEmpty)
        }
    }

    @Test("what it hands out and needs is what nm and readelf say")
    func agreesWithBinutils() async throws {
        try await withCloacinaFolder { folder in
            try await folder.compile(CPlugin.good, [])
            let libraries =
                ["plugin.so"]
                + ["libz.so.1", "libcrypto.so.3", "libstdc++.so.6", "libcurl.so.4"]
                .map { "/lib/x86_64-linux-gnu/\($0)" }.filter { FileManager.default.fileExists(atPath: $0) }
            for library in libraries {
                let run = try await folder.run(["plugin", "inspect", library])
                let told = try #require(run.envelope["inspection"]?["library"])
                let dynamic = try await folder.tool("readelf", ["-dW", library])
                let needed = dynamic.matches(of: #/\(NEEDED\) +Shared library: \[(.*)\]/#)
                #expect(told["needed"] == .array(needed.map { .string(String($0.1)) }), "\(library)")
                let versions = try await folder.tool("readelf", ["-VW", library])
                let newest = versions.matches(of: #/Name: GLIBC_([0-9.]+) /#)
                    .map { $0.1.split(separator: ".").compactMap { Int($0) } }
                    .max { $0.lexicographicallyPrecedes($1) }
                let glibc = newest.map { JSONValue.string($0.map(String.init).joined(separator: ".")) } ?? .null
                #expect(told["glibc"] == glibc, "\(library)")
                let symbols = try await folder.tool("nm", ["-D", "--defined-only", "--extern-only", library])
                #expect(
                    (told["exports"] == ["fidius_get_registry"]) == symbols.contains(" T fidius_get_registry\n"),
                    "\(library)")
            }
        }
    }

    @Test("what a library does ends its own process alone")
    func misbehaving() async throws {
        try await withCloacinaFolder { folder in
            for (body, code, words) in [
                ("return *(void **)8;", "library_crashed", "SIGSEGV"),
                ("abort();", "library_crashed", "SIGABRT"),
                ("_exit(0);", "library_crashed", "ended before it had answered"),
                ("for (;;) puts(\"still here\");", "library_crashed", "printed more than"),
                ("return 0;", "library_not_loaded", "its registry is nowhere"),
                ("return \"NOFIDIUS and no more of it\";", "library_not_loaded", "none of version 1"),
            ] {
                try await folder.compile(CPlugin.registry(body), [])
                let run = try await folder.run(["plugin", "inspect", "plugin.so", "--load"])
                #expect(run.status == 1, "\(body)")
                #expect(run.code == code, "\(body)")
                #expect(run.envelope["error"]?["message"]?.stringValue?.contains(words) == true, "\(run.errors)")
                // What was read of it stays.
                #expect(run.envelope["inspection"]?["library"]?["exports"] == ["fidius_get_registry"])
            }
            try await folder.compile("int other(void) { return 0; }", [])
            let other = try await folder.run(["plugin", "inspect", "plugin.so", "--load"])
            #expect(other.code == "library_not_loaded")
        }
    }

    @Test("a library that never answers is ended, by us and by --timeout")
    func hanging() async throws {
        try await withCloacinaFolder { folder in
            try await folder.compile(CPlugin.registry("for (;;) pause();"), [])
            let run = try await folder.run(["plugin", "inspect", "plugin.so", "--load"])
            #expect(run.status == 1)
            #expect(run.code == "library_crashed")
            #expect(run.envelope["error"]?["message"]?.stringValue?.contains("did not answer") == true)
            let short = try await folder.run(["plugin", "inspect", "plugin.so", "--load", "--timeout", "0.5"])
            #expect(short.status == 6)
            #expect(short.code == "timed_out")
            #expect(await eventually { processes(holding: folder.path("plugin.so")).isEmpty })
        }
    }

    @Test("it has no environment, no input and limits, and what it prints is on stderr")
    func surroundings() async throws {
        try await withCloacinaFolder { folder in
            try await folder.compile(
                CPlugin.registry(
                    """
                    struct rlimit c, a, k; extern char **environ; char byte;
                    getrlimit(RLIMIT_CPU, &c); getrlimit(RLIMIT_AS, &a); getrlimit(RLIMIT_CORE, &k);
                    printf("cpu %lu memory %lu core %lu environment %d input %d group %d\\n", c.rlim_max, a.rlim_max,
                        k.rlim_max, environ && environ[0], (int)read(0, &byte, 1), getpgrp() == getpid());
                    fflush(stdout);
                    return 0;
                    """), [])
            let run = try await folder.run(
                ["plugin", "inspect", "plugin.so", "--load"], environment: ["SECRET": "s3same"])
            #expect(
                run.errors.contains("cpu 10 memory 4294967296 core 0 environment 0 input 0 group 1"), "\(run.errors)")
            #expect(run.code == "library_not_loaded")
        }
    }

    @Test("what is no library is refused")
    func refused() async throws {
        try await withCloacinaFolder { folder in
            try folder.write("text", "no library")
            try folder.write("short.so", Array(MadeLibrary.elf(machine: 62, relocations: .plain).bytes.prefix(100)))
            for (name, status, code) in [
                ("text", 1, "library_corrupt"), ("short.so", 1, "library_corrupt"), ("none.so", 2, "file_unreadable"),
                (".", 2, "file_unreadable"),
            ] as [(String, Int32, String)] {
                for more in [[], ["--load"]] {
                    let run = try await folder.run(["plugin", "inspect", name] + more)
                    #expect(run.status == status)
                    #expect(run.code == code)
                }
            }
        }
    }
}

extension CloacinaFolder {
    fileprivate func compile(_ source: String, _ flags: [String]) async throws {
        try write("plugin.c", source)
        let result = try await LianSystem.run(
            Command(
                "/usr/bin/gcc", ["-shared", "-fPIC", "-o", "plugin.so"] + flags + ["plugin.c"],
                environment: environment, workingDirectory: url.path),
            deadline: .seconds(300))
        #expect(result.termination.isSuccess, "\(result.errorText)")
    }

    fileprivate func tool(_ name: String, _ arguments: [String]) async throws -> String {
        let result = try await LianSystem.run(
            Command("/usr/bin/\(name)", arguments, environment: environment, workingDirectory: url.path),
            deadline: .seconds(300), outputLimit: 64 << 20)
        return result.outputText
    }
}

private enum CPlugin {
    /// A descriptor in the data, as C has it. Unless HIDDEN is empty, no other library can replace its functions.
    static let good = """
        #include <stdint.h>
        #include <stdlib.h>
        #include <string.h>
        #ifndef HIDDEN
        #define HIDDEN static
        #endif
        typedef struct {
          uint32_t size, abi; const char *interface; uint64_t hash; uint32_t version; uint64_t capabilities;
          uint8_t strategy; const char *plugin; const void *methods; void (*free_buffer)(uint8_t *, size_t);
          uint32_t count; const void *metadata, *types; uint32_t types_count;
          void *(*construct)(const uint8_t *, uint32_t); void (*destroy)(void *);
        } Descriptor;
        HIDDEN int32_t method(void *instance, const uint8_t *in, uint32_t n, uint8_t **out, uint32_t *m) {
          static const uint8_t refusal[] = "\\4\\0\\0\\0\\0\\0\\0\\0NONE\\11\\0\\0\\0\\0\\0\\0\\0not today";
          *m = sizeof refusal;
          *out = malloc(*m);
          memcpy(*out, refusal, *m);
          return -3;
        }
        HIDDEN void free_buffer(uint8_t *buffer, size_t n) { free(buffer); }
        HIDDEN void *construct(const uint8_t *in, uint32_t n) { return malloc(8); }
        HIDDEN void destroy(void *instance) { free(instance); }
        HIDDEN const void *methods[9] = {method, method, method, 0, method, method, method, method, method};
        HIDDEN const Descriptor descriptor = {
          120, 500, "CloacinaPlugin", 0x1122334455667788, 2, 0x0f, 1, "CDemo", methods, free_buffer, 9, 0, 0, 0,
          construct, destroy};
        HIDDEN const Descriptor *const list[1] = {&descriptor};
        HIDDEN const struct { char magic[8]; uint32_t version, count; const Descriptor *const *list; } registry_data =
          {"FIDIUS\\0", 1, 1, list};
        const void *fidius_get_registry(void) { return &registry_data; }
        """

    static func registry(_ body: String) -> String {
        """
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        #include <sys/resource.h>
        const void *fidius_get_registry(void) { \(body) }
        """
    }
}

private let rustPlugin = """
    use std::ffi::{c_char, c_void};
    use std::sync::OnceLock;
    type Slot = unsafe extern "C" fn(*mut c_void, *const u8, u32, *mut *mut u8, *mut u32) -> i32;
    #[repr(C)]
    pub struct Descriptor {
        size: u32, abi: u32, interface: *const c_char, hash: u64, version: u32, capabilities: u64, strategy: u8,
        plugin: *const c_char, methods: *const c_void, free_buffer: Option<unsafe extern "C" fn(*mut u8, usize)>,
        count: u32, metadata: *const c_void, types: *const c_void, types_count: u32,
        construct: Option<unsafe extern "C" fn(*const u8, u32) -> *mut c_void>,
        destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    }
    unsafe impl Sync for Descriptor {}
    #[repr(C)]
    pub struct Methods([Option<Slot>; 11]);
    unsafe extern "C" fn method(_: *mut c_void, _: *const u8, _: u32, _: *mut *mut u8, _: *mut u32) -> i32 { -3 }
    unsafe extern "C" fn free_buffer(_: *mut u8, _: usize) {}
    unsafe extern "C" fn construct(_: *const u8, _: u32) -> *mut c_void { std::ptr::null_mut() }
    unsafe extern "C" fn destroy(_: *mut c_void) {}
    static METHODS: Methods = Methods([Some(method); 11]);
    static DESCRIPTOR: Descriptor = Descriptor {
        size: 120, abi: 500, interface: b"CloacinaPlugin\\0".as_ptr() as *const c_char, hash: 0x5294867f0800277b,
        version: 7, capabilities: 0x7f, strategy: 1, plugin: b"CloacinaPackagePlugin\\0".as_ptr() as *const c_char,
        methods: &METHODS as *const Methods as *const c_void, free_buffer: Some(free_buffer), count: 11,
        metadata: std::ptr::null(), types: std::ptr::null(), types_count: 0, construct: Some(construct),
        destroy: Some(destroy),
    };
    #[repr(C)]
    pub struct Registry { magic: [u8; 8], version: u32, count: u32, list: *const *const Descriptor }
    unsafe impl Sync for Registry {}
    unsafe impl Send for Registry {}
    #[no_mangle]
    pub extern "C" fn fidius_get_registry() -> *const Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let list: Vec<*const Descriptor> = vec![&DESCRIPTOR];
            let start = list.as_ptr();
            std::mem::forget(list);
            Registry { magic: *b"FIDIUS\\0\\0", version: 1, count: 1, list: start }
        })
    }
    """
