"""What the reference orchestrator costs: spawn to SSH, many idle runners, and its answers under load."""

import hashlib
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench.contexts import Context
from bench.orchestrator_client import Client
from bench.processes import BenchFailure
from bench.run import Run, say
from bench.stage import NO_VOLUMES, Stage
from bench.stage import orchestrator as serve
from bench.tools import Job, build_by_ours

IDLE = 50
BUILDS_BESIDE = 4
CALLERS = 10


def orchestrator(run: Run) -> None:
    if not run.takes("orchestrator", "a", "loopback"):
        return
    say("orchestrator")
    context = run.contexts.get("a")
    with run.own_stage("many", capacity=IDLE + 10) as stage:
        rows = [spawn_to_ssh(stage, context, 5 if run.quick else 15), *idle_runners_and_builds(stage, context)]
    run.add("orchestrator", "a", "loopback", figures={"cases": rows})


def spawn_to_ssh(stage: Stage, context: Context, runs: int) -> dict[str, Any]:
    """From the spawn request to the authenticated SSH connection, as the client's own envelope tells."""
    # The first one finds nothing in the system's caches.
    times = [connected_ms(stage, context) for _ in range(runs + 1)][1:]
    return {"case": "spawn to SSH authentication", "runs": runs, "median_ms": statistics.median(times),
            "range_ms": [min(times), max(times)]}


def connected_ms(stage: Stage, context: Context) -> int:
    outcome = build_by_ours(Job(stage, context))
    if outcome.failure:
        raise BenchFailure(f"a build of the benchmark failed: {outcome.failure}")
    return outcome.timings_ms["spawn"] + outcome.timings_ms["ready"]


def answers_under_load(
    case: str, connect: Callable[[int], Client], runner: str, per_second: int = 1000, seconds: int = 3,
) -> dict[str, Any]:
    """getRunner at a fixed rate over kept connections; the latencies of all answers."""
    threads = CALLERS
    latencies: list[float] = []
    errors: list[int] = []
    lock = threading.Lock()
    start = time.perf_counter() + 0.2

    def ask(offset: int) -> None:
        client = connect(offset)
        mine = []
        for tick in range(offset, per_second * seconds, threads):
            due = start + tick / per_second
            time.sleep(max(0, due - time.perf_counter()))
            # From when it was due: a late start counts as waiting.
            status, _ = client.call("GET", f"/api/v1/runners/{runner}")
            mine.append((time.perf_counter() - due) * 1000)
            if status != 200:
                errors.append(status)
        with lock:
            latencies.extend(mine)

    side_by_side([partial(ask, offset) for offset in range(threads)])
    latencies.sort()
    half, almost_all = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    return {"case": case, "requests": len(latencies), "errors": len(errors),
            "p50_ms": round(half, 2), "p99_ms": round(almost_all, 2)}


def answers_to_a_team(stage: Stage) -> dict[str, Any]:
    """The same as a team has it: by HTTPS, and each caller with a token of its own."""
    with team(stage) as connect:
        client = connect(0)
        runner = client.ask_for_runner("of-a-team", stage.public_key, 1, 512)["runner_id"]
        client.wait_until_ready(runner)
        load = answers_under_load("getRunner at 1000/s, by TLS with ten tokens", connect, runner)
        client.destroy(runner)
    return load


@contextmanager
def team(stage: Stage) -> Iterator[Callable[[int], Client]]:
    """What connects the caller of that number to an orchestrator beside the stage's."""
    folder = stage.folder / "team"
    folder.mkdir()
    secrets = [f"bench-token-{number}" for number in range(CALLERS)]
    tokens = [
        {"name": f"caller-{number}", "hash": f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}", "role": "build",
         "workspaces": ["bench"], "layers": ["ci", "dev"]}
        for number, secret in enumerate(secrets)]
    configuration, certificate, key = folder / "orchestrator.json", folder / "certificate.pem", folder / "key.pem"
    configuration.write_text(json.dumps({"tokens": tokens}))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
         str(certificate)], check=True, capture_output=True)
    flags = ["--config", str(configuration), "--tls-certificate", str(certificate), "--tls-key", str(key)]
    with serve(stage.setting, folder, stage.binaries, *flags, *NO_VOLUMES) as (address, _):
        yield lambda number: Client(address, secrets[number], certificate)


def idle_runners_and_builds(stage: Stage, context: Context) -> list[dict[str, Any]]:
    """Many runners that wait, and builds beside them."""
    address = stage.orchestrator.removeprefix("http://")
    client = Client(address)
    start = time.perf_counter()
    ids = [client.ask_for_runner(f"idle-{index}", stage.public_key, 1, 512)["runner_id"] for index in range(IDLE)]
    for runner in ids:
        client.wait_until_ready(runner)
    ready = time.perf_counter() - start
    loads = [answers_under_load("getRunner at 1000/s", lambda _: Client(address), ids[0]), answers_to_a_team(stage)]
    failures: list[str] = []

    def build() -> None:
        outcome = build_by_ours(Job(stage, context))
        if outcome.failure:
            failures.append(outcome.failure)

    start = time.perf_counter()
    side_by_side([build] * BUILDS_BESIDE)
    together = time.perf_counter() - start
    for runner in ids:
        client.destroy(runner)
    return [
        *loads,
        {"case": f"{IDLE} idle runners", "seconds_until_ready": round(ready, 1), "errors": 0},
        {"case": f"{BUILDS_BESIDE} builds beside them", "seconds": round(together, 1), "errors": len(failures)},
    ]


def side_by_side(jobs: list[Callable[[], None]]) -> None:
    workers = [threading.Thread(target=job) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
