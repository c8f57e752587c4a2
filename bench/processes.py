"""Programs that are started and ended: daemons, and commands that are timed."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class BenchFailure(Exception):
    """Something that the benchmark stands on does not work."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise BenchFailure(f"{what} did not come up in {seconds} s")
        time.sleep(0.02)


@contextmanager
def daemon(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, patience: float = 60,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background. It ends with this block, and with this process, however that ends."""
    # A session of its own: Ctrl-C reaches this process alone, which ends things in order.
    command = ["setpriv", "--pdeathsig", "TERM", *command]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Finished:
    """A command that has ended. Peaks are of all processes of a name below it, its own included."""

    seconds: float
    status: int
    output: str
    errors: str
    peaks_mb: dict[str, float] = field(default_factory=dict)


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, stdin: str = os.devnull,
    watch_memory: bool = False, seconds: float = 300,
) -> Finished:
    """Runs a command to its end. Whatever it still has running is ended with it, also where this is interrupted."""
    with open(stdin, "rb") as source:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
    peaks = MemoryWatch(process.pid) if watch_memory else None
    try:
        output, errors = process.communicate(timeout=seconds)
        elapsed = time.perf_counter() - start
        return Finished(
            elapsed, process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"),
            peaks.stop() if peaks else {})
    except subprocess.TimeoutExpired:
        return Finished(seconds, -1, "", f"not ended after {seconds} s")
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """lian-build takes its runner along when it is asked to end."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "without a word"


class MemoryWatch:
    """The peak memory of a process and of all below it, by name, from /proc.

    Not from wait4: what that tells of a child starts with the memory of the Python that started it.
    """

    INTERVAL_S = 0.004

    def __init__(self, root: int) -> None:
        self.root = root
        self.peaks: dict[str, float] = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def stop(self) -> dict[str, float]:
        self.ended.set()
        self.thread.join()
        return {name: round(peak, 1) for name, peak in sorted(self.peaks.items())}

    def watch(self) -> None:
        while not self.ended.wait(self.INTERVAL_S):
            waiting = [self.root]
            while waiting:
                pid = waiting.pop()
                self.look(pid)
                waiting += children(pid)

    def look(self, pid: int) -> None:
        try:
            # By its program: a thread gives its own name to a child that has not become another program yet.
            name = Path(os.readlink(f"/proc/{pid}/exe")).name
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if "VmHWM" in facts:
            self.peaks[name] = max(self.peaks.get(name, 0), int(facts["VmHWM"].split()[0]) / 1024)


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
