"""What the reference orchestrator costs: spawn to SSH, many idle runners, and its answers under load."""

import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.contexts import Context
from bench.orchestrator_client import Client
from bench.processes import BenchFailure
from bench.run import Run, say
from bench.stage import Stage
from bench.tools import Job, build_by_ours

IDLE = 50
BUILDS_BESIDE = 4


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


def answers_under_load(address: str, runner: str, per_second: int, seconds: int) -> dict[str, Any]:
    """getRunner at a fixed rate over kept connections; the latencies of all answers."""
    threads = 10
    latencies: list[float] = []
    errors: list[int] = []
    lock = threading.Lock()
    start = time.perf_counter() + 0.2

    def ask(offset: int) -> None:
        client = Client(address)
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
    return {"case": f"getRunner at {per_second}/s", "requests": len(latencies), "errors": len(errors),
            "p50_ms": round(half, 2), "p99_ms": round(almost_all, 2)}


def idle_runners_and_builds(stage: Stage, context: Context) -> list[dict[str, Any]]:
    """Many runners that wait, and builds beside them."""
    address = stage.orchestrator.removeprefix("http://")
    client = Client(address)
    start = time.perf_counter()
    ids = [client.ask_for_runner(f"idle-{index}", stage.public_key, 1, 512)["runner_id"] for index in range(IDLE)]
    for runner in ids:
        client.wait_until_ready(runner)
    ready = time.perf_counter() - start
    load = answers_under_load(address, ids[0], 1000, 3)
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
        load,
        {"case": f"{IDLE} idle runners", "seconds_until_ready": round(ready, 1), "errors": 0},
        {"case": f"{BUILDS_BESIDE} builds beside them", "seconds": round(together, 1), "errors": len(failures)},
    ]


def side_by_side(jobs: list[Callable[[], None]]) -> None:
    workers = [threading.Thread(target=job) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
