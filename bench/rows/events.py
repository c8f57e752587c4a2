"""What events cost a build: with a broker that is there, one that is dead and one that never answers, against none."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.pairs import differences, measure, tool_summary
from bench.processes import daemon, eventually, free_port
from bench.rows.jobs import sampled, total
from bench.run import Run, say
from bench.tools import Job, Tool, build_by_ours

NONE = "no broker"
ROUNDS = 7


def events(run: Run) -> None:
    if not run.takes("events", "a", "loopback"):
        return
    stage = run.stage("loopback")
    if stage is None:
        return
    say("events")
    with live_broker(stage.folder) as live, hung_broker() as hung:
        brokers = {
            NONE: (), "live broker": ("--nats-url", live), "dead broker": ("--nats-url", f"nats://127.0.0.1:{free_port()}"),
            "hung broker": ("--nats-url", hung),
        }
        context = run.contexts.get("a")
        tools = {
            name: sampled(
                stage, Tool(name, name, build_by_ours), True,
                lambda tool: tool.do(Job(stage, context, ready_runner=True, flags=brokers[tool.name])),
                total)
            for name in brokers
        }
        series = measure(tools, 2 if run.quick else ROUNDS, warm_up=not run.quick)
    run.add(
        "events", "a", "loopback", unit="ms", tools={name: tool_summary(one) for name, one in series.items()},
        differences={name: differences(series[NONE], one) for name, one in series.items() if name != NONE})


@contextmanager
def live_broker(folder: Path) -> Iterator[str]:
    port = free_port()
    with daemon(["nats-server", "--addr", "127.0.0.1", "--port", str(port)], folder / "nats.log"):
        eventually(lambda: answers(port), "the NATS server")
        yield f"nats://127.0.0.1:{port}"


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@contextmanager
def hung_broker() -> Iterator[str]:
    """The kernel accepts for it; it never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"nats://127.0.0.1:{listener.getsockname()[1]}"
