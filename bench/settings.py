"""Where client and runner stand: on one machine's loopback, or a line apart.

Far away means two network namespaces with a line of 20 ms round trip and 1 Gbit/s between them, made by netem where
the kernel has it, else by delay_bridge.c in a third namespace. The namespaces have no names: each lives as long as a
process of ours holds it, and the kernel removes it with all that is in it, however this run ends.

The orchestrator and its runners listen on 127.0.0.1 of the far side. The near side has no loopback of its own; its
route to that address leads over the line, so that every tool reaches it under the address that the orchestrator tells.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchFailure, daemon, eventually, last_line

ROUND_TRIP_MS = 20
BITS_PER_SECOND = 1_000_000_000
NEAR, FAR = "10.213.77.1", "10.213.77.2"

NAMES = ("loopback", "far")


@dataclass(frozen=True)
class Setting:
    name: str
    description: str
    round_trip_ms: float = 0
    # What stands before a command to run it on either side.
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()


LOOPBACK = Setting("loopback", "client and runner on one machine, over loopback")


class NoFarSetting(Exception):
    """Why a distance cannot be had on this machine."""


@contextmanager
def far_setting(folder: Path) -> Iterator[Setting]:
    """The far setting, or NoFarSetting."""
    if os.geteuid() != 0:
        raise NoFarSetting("network namespaces take root")
    with ExitStack() as stack:
        try:
            near, middle, far = (stack.enter_context(namespace(folder / f"namespace{index}.log")) for index in range(3))
            how = lay_line(stack, folder, near, middle, far)
            address(near, far)
        except (BenchFailure, subprocess.CalledProcessError) as problem:
            said = getattr(problem, "stderr", "") or ""
            raise NoFarSetting(f"{problem} {said.strip()}") from problem
        measured = round_trip(near, far)
        if not ROUND_TRIP_MS * 0.9 < measured < ROUND_TRIP_MS * 1.5:
            raise NoFarSetting(f"the line's round trip is {measured:.1f} ms instead of {ROUND_TRIP_MS}")
        description = f"{ROUND_TRIP_MS} ms round trip and 1 Gbit/s between two network namespaces, by {how}"
        yield Setting("far", description, measured, tuple(inside(near)), tuple(inside(far)))


@contextmanager
def namespace(log: Path) -> Iterator[int]:
    """The process that holds a new network namespace."""
    own = os.readlink("/proc/self/ns/net")
    with daemon(["unshare", "--net", "sleep", "infinity"], log) as process:
        def is_there() -> bool:
            if process.poll() is not None:
                raise BenchFailure(f"no network namespace can be made: {log.read_text().strip()}")
            return os.readlink(f"/proc/{process.pid}/ns/net") != own
        eventually(is_there, "a network namespace")
        yield process.pid


def inside(holder: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{holder}/ns/net", "--"]


def tell(holder: int, *command: str) -> None:
    subprocess.run([*inside(holder), *command], check=True, capture_output=True, text=True)


def lay_line(stack: ExitStack, folder: Path, near: int, middle: int, far: int) -> str:
    """Joins `line` in the near namespace with `line` in the far one; says by what."""
    delay_us = ROUND_TRIP_MS * 1000 // 2
    if has_netem(middle):
        tell(near, "ip", "link", "add", "line", "type", "veth", "peer", "name", "line", "netns", str(far))
        for side in (near, far):
            tell(side, "tc", "qdisc", "add", "dev", "line", "root", "netem", "delay", f"{delay_us}us", "rate",
                 str(BITS_PER_SECOND), "limit", "100000")
        return "netem"
    bridge = compiled_bridge(folder)
    for side, name in ((near, "left"), (far, "right")):
        tell(middle, "ip", "link", "add", name, "type", "veth", "peer", "name", "line", "netns", str(side))
        tell(middle, "ip", "link", "set", name, "up")
    stack.enter_context(daemon(
        [*inside(middle), str(bridge), "left", "right", str(delay_us), str(BITS_PER_SECOND)], folder / "bridge.log"))
    return "a delaying bridge"


def compiled_bridge(folder: Path) -> Path:
    """By the first compiler there is; Swift brings clang along."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise NoFarSetting("the kernel has no netem, and there is no C compiler for the bridge in its place")
    program = folder / "delay_bridge"
    source = Path(__file__).with_name("delay_bridge.c")
    subprocess.run(
        [compiler, "-O2", "-pthread", "-o", str(program), str(source)], check=True, capture_output=True, text=True)
    return program


def has_netem(holder: int) -> bool:
    tell(holder, "ip", "link", "add", "try", "type", "veth", "peer", "name", "tried")
    add = [*inside(holder), "tc", "qdisc", "add", "dev", "try", "root", "netem", "delay", "1ms"]
    found = subprocess.run(add, capture_output=True).returncode == 0
    tell(holder, "ip", "link", "delete", "try")
    return found


def address(near: int, far: int) -> None:
    for side, own in ((near, NEAR), (far, FAR)):
        tell(side, "ip", "address", "add", f"{own}/24", "dev", "line")
        tell(side, "ip", "link", "set", "line", "up")
        # Lets addresses of 127/8 be reached, and answer, over this interface.
        tell(side, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/line/route_localnet")
    tell(far, "ip", "link", "set", "lo", "up")
    tell(near, "ip", "route", "add", "127.0.0.1/32", "via", FAR, "src", NEAR)


SERVE = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(600)
"""

CONNECT = """
import socket, sys, time
times = []
for _ in range(10):
    start = time.perf_counter()
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10).close()
    times.append(time.perf_counter() - start)
print(min(times) * 1000)
"""


def round_trip(near: int, far: int) -> float:
    """The best of a few connects in ms, which take one round trip each."""
    server = subprocess.Popen([*inside(far), sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        client = subprocess.run(
            [*inside(near), sys.executable, "-c", CONNECT, port], capture_output=True, text=True)
        if client.returncode != 0:
            raise NoFarSetting(f"nothing gets over the line: {last_line(client.stderr)}")
        return float(client.stdout)
    finally:
        server.kill()
        server.wait()
