import Foundation
import Glibc
import LianModel
import LianSystem
import Synchronization

/// A headless Chromium with one page, driven over a pair of pipes by its own protocol: sizes, colour schemes and
/// paper are the browser's, and the page that it shows is left as it is.
package final class Browser: Sendable {
    package static let executable = findExecutable("chromium", path: "/usr/bin:/usr/local/bin")

    private let pid: pid_t
    private let input: Int32
    private let output: Int32
    private let session = Mutex<String?>(nil)
    private let exchange = Mutex(Exchange())

    private struct Exchange {
        var lastID = 0
        var unread: [UInt8] = []
        /// Since the last page was asked for.
        var events: [JSONValue] = []
    }

    private static let patience: Duration = .seconds(60)

    fileprivate init(folder: URL) throws {
        guard let executable = Self.executable else { throw SystemError("chromium", ENOENT) }
        let toBrowser = try FileDescriptor.Pipe()
        let fromBrowser = try FileDescriptor.Pipe()
        // The browser reads its orders on descriptor 3 and answers on 4.
        let arguments = [
            "-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null", executable, "--headless", "--no-sandbox",
            "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-breakpad", "--disable-extensions",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--remote-debugging-pipe", "--user-data-dir=\(folder.path)/profile", "about:blank",
        ]
        let command = Command(
            "/bin/sh", arguments,
            environment: ["PATH": "/usr/bin:/bin", "HOME": folder.path, "TMPDIR": folder.path, "LANG": "C.UTF-8"])
        pid = try spawnChild(
            command, streams: StandardStreams(input: toBrowser.read.raw, output: fromBrowser.write.raw))
        input = fcntl(toBrowser.write.raw, F_DUPFD_CLOEXEC, 3)
        output = fcntl(fromBrowser.read.raw, F_DUPFD_CLOEXEC, 3)
    }

    fileprivate func open() async throws {
        try await openTab()
        for domain in ["Network", "Log"] { _ = try await call("\(domain).enable") }
    }

    /// Another tab, in a window of its own, so that each is seen: it is the one that is spoken to from now on.
    @discardableResult
    package func openTab() async throws -> Tab {
        session.withLock { $0 = nil }
        let target = try await call("Target.createTarget", ["url": "about:blank", "newWindow": true])
        let attached = try await call(
            "Target.attachToTarget", ["targetId": target["targetId"] ?? .null, "flatten": true])
        let tab = Tab(session: attached["sessionId"]?.stringValue)
        turn(to: tab)
        for domain in ["Page", "Runtime"] { _ = try await call("\(domain).enable") }
        return tab
    }

    package struct Tab: Sendable {
        fileprivate let session: String?
    }

    /// That one is spoken to from now on.
    package func turn(to tab: Tab) { session.withLock { $0 = tab.session } }

    fileprivate func stop() {
        kill(-pid, SIGKILL)
        while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
        close(input)
        close(output)
    }

    /// Opens a file or an address in a window of this size and waits until it is loaded.
    package func show(_ file: URL, width: Int, height: Int = 900, dark: Bool = false) async throws {
        _ = try await call(
            "Emulation.setDeviceMetricsOverride",
            ["width": .integer(width), "height": .integer(height), "deviceScaleFactor": 1, "mobile": false])
        try await emulate("", dark: dark)
        exchange.withLock { $0.events = [] }
        _ = try await call("Page.navigate", ["url": .string(file.absoluteString)])
        try await onOwnThread { [self] in Result { try waitUntilLoaded() } }.get()
    }

    private func waitUntilLoaded() throws {
        let deadline = ContinuousClock.now + Self.patience
        try exchange.withLock { exchange in
            while !exchange.events.contains(where: { $0["method"] == "Page.loadEventFired" }) {
                exchange.events.append(try next(&exchange, before: deadline))
            }
        }
    }

    /// Lays the page out as for paper.
    package func pretendToPrint(dark: Bool) async throws {
        try await emulate("print", dark: dark)
    }

    private func emulate(_ media: String, dark: Bool) async throws {
        let scheme: JSONValue = ["name": "prefers-color-scheme", "value": dark ? "dark" : "light"]
        _ = try await call("Emulation.setEmulatedMedia", ["media": .string(media), "features": .array([scheme])])
    }

    /// What a JavaScript expression comes to on the page.
    package func evaluate(_ expression: String) async throws -> JSONValue {
        let answer = try await call(
            "Runtime.evaluate", ["expression": .string(expression), "returnByValue": true])
        if let exception = answer["exceptionDetails"] { throw FixtureError("\(expression): \(exception.encoded())") }
        return answer["result"]?["value"] ?? .null
    }

    /// Puts a text where the focus is, as a keyboard would.
    package func type(_ text: String) async throws {
        _ = try await call("Input.insertText", ["text": .string(text)])
    }

    package enum Key: String, Sendable {
        case tab = "Tab"
        case enter = "Enter"

        fileprivate var code: Int { self == .tab ? 9 : 13 }
    }

    package func press(_ key: Key) async throws {
        var event: [String: JSONValue] = [
            "type": "keyDown", "key": .string(key.rawValue), "code": .string(key.rawValue),
            "windowsVirtualKeyCode": .integer(key.code),
        ]
        // A key that makes a character is told with it.
        if key == .enter { event["text"] = "\r" }
        _ = try await call("Input.dispatchKeyEvent", .object(event))
        event["type"] = "keyUp"
        event["text"] = nil
        _ = try await call("Input.dispatchKeyEvent", .object(event))
    }

    /// What was asked of the network or of the disk for the page, itself included.
    package var requests: [String] {
        exchange.withLock { exchange in
            exchange.events.filter { $0["method"] == "Network.requestWillBeSent" }
                .compactMap { $0["params"]?["request"]?["url"]?.stringValue }
        }
    }

    /// What the browser complained of: what the page's policy forbids, too.
    package var complaints: [String] {
        exchange.withLock { exchange in
            exchange.events.filter { $0["method"] == "Log.entryAdded" || $0["method"] == "Runtime.exceptionThrown" }
                .map { $0.encoded() }
        }
    }

    /// A PNG of the page, whole, or so much of it from the element on that the selector finds.
    package func picture(from selector: String = "html", height: Int? = nil) async throws -> Data {
        let top = try await evaluate("Math.round(document.querySelector('\(selector)').getBoundingClientRect().top)")
        let size = try await call("Page.getLayoutMetrics")["cssContentSize"] ?? .null
        let rest = (size["height"]?.intValue ?? 0) - (top.intValue ?? 0)
        let clip: JSONValue = [
            "x": 0, "y": top, "width": size["width"] ?? .null, "height": .integer(min(height ?? rest, rest)),
            "scale": 1,
        ]
        let answer = try await call(
            "Page.captureScreenshot", ["format": "png", "captureBeyondViewport": true, "clip": clip])
        return try data(answer)
    }

    /// A PDF of the page as it is printed.
    package func print() async throws -> Data {
        try data(await call("Page.printToPDF", ["preferCSSPageSize": true, "printBackground": true]))
    }

    private func data(_ answer: JSONValue) throws -> Data {
        guard let text = answer["data"]?.stringValue, let data = Data(base64Encoded: text) else {
            throw FixtureError("the browser gave no picture: \(answer.encoded().prefix(300))")
        }
        return data
    }

    private func call(_ method: String, _ parameters: JSONValue = [:]) async throws -> JSONValue {
        let session = session.withLock { $0 }
        return try await onOwnThread { [self] in
            Result { try exchange.withLock { try answer(to: method, parameters, in: session, &$0) } }
        }.get()
    }

    private func answer(
        to method: String, _ parameters: JSONValue, in session: String?, _ exchange: inout Exchange
    ) throws -> JSONValue {
        exchange.lastID += 1
        var message: [String: JSONValue] = [
            "id": .integer(exchange.lastID), "method": .string(method), "params": parameters,
        ]
        if let session { message["sessionId"] = .string(session) }
        try writeAll(input, JSONValue.object(message).encodedBytes() + [0])
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let answer = try next(&exchange, before: deadline)
            guard answer["id"]?.intValue == exchange.lastID else {
                exchange.events.append(answer)
                continue
            }
            if let error = answer["error"] { throw FixtureError("\(method): \(error.encoded())") }
            return answer["result"] ?? .null
        }
    }

    /// The next message; each ends with a zero.
    private func next(_ exchange: inout Exchange, before deadline: ContinuousClock.Instant) throws -> JSONValue {
        while true {
            if let end = exchange.unread.firstIndex(of: 0) {
                let message = Array(exchange.unread[..<end])
                exchange.unread.removeFirst(end + 1)
                return try JSONValue.parse(message)
            }
            var polled = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, max(.zero, deadline - .now).pollMilliseconds) > 0 else {
                throw FixtureError("the browser does not answer")
            }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(output, &bytes, bytes.count)
            guard count > 0 else { throw FixtureError("the browser is gone") }
            exchange.unread += bytes[..<count]
        }
    }
}

/// Runs a browser for the length of the body.
package func withBrowser<Result>(_ body: (Browser) async throws -> Result) async throws -> Result {
    try await withShortTemporaryFolder { folder in
        let browser = try Browser(folder: folder)
        defer { browser.stop() }
        try await browser.open()
        return try await body(browser)
    }
}
