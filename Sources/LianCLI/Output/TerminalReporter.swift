import LianBuild
import LianSystem
import Synchronization

/// Keeps a terminal in step with a build, ten times a second. Each frame is one write, in which lines are written over
/// and never cleared first: nothing flickers, and outside of a frame the terminal is as it was, cursor and all, so
/// that no end of this program, however sudden, leaves it in disorder.
final class TerminalReporter: BuildReporter {
    private let stderr: StandardError
    private let look: TerminalLook
    private let waker: Waker
    private let state: Mutex<State>
    /// Held while a frame is made and written: they come in order.
    private let drawing = Mutex(Drawn())

    private struct State {
        var screen: BuildScreen
        /// The thread sleeps until it is woken.
        var isIdle = false
        var isOver = false
    }

    /// What the last frame left on the terminal.
    private struct Drawn {
        /// Of each line of the block, how many cells it takes.
        var cells: [Int] = []
    }

    private static let interval: Duration = .milliseconds(100)
    private static let assumedSize = (columns: 80, rows: 24)

    init(_ stderr: StandardError, _ look: TerminalLook) throws(SystemError) {
        self.stderr = stderr
        self.look = look
        waker = try Waker()
        state = Mutex(State(screen: BuildScreen(look)))
        try startThread { [self] in
            while let pause = draw() {
                waker.sleep(atMost: pause.duration)
                // A terminal that stands still gets one frame when it goes on, not all that there would have been.
                stderr.waitUntilWritten()
            }
        }
    }

    func report(_ event: ProgressEvent) {
        let wasIdle = state.withLock { state in
            state.screen.take(event, at: .now)
            defer { state.isIdle = false }
            return state.isIdle
        }
        if wasIdle { waker.wake() }
        if case .ended = event {
            // Whoever reports this leaves soon after, so the last frame is written first.
            draw()
            state.withLock { $0.isOver = true }
            waker.wake()
        }
    }

    private struct Pause {
        /// nil: until it is woken.
        var duration: Duration?
    }

    /// Draws a frame where there is something to draw; nil after the end.
    @discardableResult
    private func draw() -> Pause? {
        drawing.withLock { drawn in
            let size = stderr.terminalSize ?? Self.assumedSize
            let (settled, block, pause) = state.withLock { state -> ([TerminalLine], [TerminalLine], Pause?) in
                let block = state.screen.block(columns: size.columns - 1, rows: size.rows, at: .now)
                state.isIdle = !state.screen.isRunning
                let pause = Pause(duration: state.isIdle ? nil : Self.interval)
                return (state.screen.takeSettled(), block, state.isOver ? nil : pause)
            }
            if !settled.isEmpty || !block.isEmpty || !drawn.cells.isEmpty {
                stderr.write(Array(frame(settled, block, size.columns, &drawn).utf8))
            }
            return pause
        }
    }

    private func frame(
        _ settled: [TerminalLine], _ block: [TerminalLine], _ columns: Int, _ drawn: inout Drawn
    ) -> String {
        // Terminals that know this sequence show the whole frame at once.
        var text = "\u{1B}[?2026h\u{1B}[?25l"
        // Where the terminal became narrower, it has broken the lines that are too long now.
        let rows = drawn.cells.reduce(0) { $0 + max(1, ($1 + columns - 1) / columns) }
        if rows > 0 { text += "\r\u{1B}[\(rows)A" }
        if !settled.isEmpty {
            // They may take several rows each: what they do not cover of the block must not stay.
            text += "\u{1B}[J"
            for line in settled { text += line.rendered(columns: columns - 1, look).text + "\r\n" }
        }
        // Turns wrapping off: whatever width the terminal gives to a character, no line of the block takes two rows.
        text += "\u{1B}[?7l"
        drawn.cells = []
        for line in block {
            let (shown, cells) = line.rendered(columns: columns - 1, look)
            text += shown + "\u{1B}[K\r\n"
            drawn.cells.append(cells)
        }
        return text + "\u{1B}[J\u{1B}[?7h\u{1B}[?25h\u{1B}[?2026l"
    }
}
