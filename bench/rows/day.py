"""A day of rebuilds, ten an hour, on one orchestrator with volumes: each begins when the one before has ended, and not
six minutes later. What each took, and what the orchestrator then holds."""

import os
import subprocess
from typing import Any

from bench.changing import ChangingContext
from bench.machine import field
from bench.processes import BenchFailure
from bench.rows.volumes import api, home
from bench.run import Run, say
from bench.stage import VOLUMES, Stage, mounts_below
from bench.targets import REBUILT
from bench.tools import Job, build_by_ours

BUILDS, QUICK_BUILDS = 240, 10
# After so many builds the figures also stand in the table.
SHOWN = (1, 10, 100, BUILDS)
BOUND = ("--volume-gb", "1")


def day(run: Run) -> None:
    if not run.takes("rebuilds", REBUILT, "loopback"):
        return
    count = QUICK_BUILDS if run.quick else BUILDS
    with run.own_stage("rebuilds", volumes=(*VOLUMES, *BOUND)) as stage:
        context = ChangingContext(run.contexts.get(REBUILT))
        builds: list[dict[str, int]] = []
        warm: list[bool] = []
        for number in range(1, count + 1):
            context.change(number)
            outcome = build_by_ours(Job(stage, context.context, home=home(stage)))
            if outcome.failure:
                raise BenchFailure(f"rebuild {number} failed: {outcome.failure}")
            builds.append({"ms": round(outcome.total_ms), **held(stage)})
            warm.append((outcome.volume or {}).get("state") == "warm")
            if number in SHOWN:
                say(f"rebuilds {number}")
        run.add("rebuilds", REBUILT, "loopback", about=context.context.description, figures=figures(builds, warm))
        run.contexts.drop(REBUILT)


def figures(builds: list[dict[str, int]], warm: list[bool]) -> dict[str, Any]:
    """Those of a few builds to be read, and those of all of them, by what they are."""
    cases = [
        {"case": f"{number} builds", "warm": sum(warm[:number]), **builds[number - 1]}
        for number in SHOWN if number <= len(builds)]
    return {"cases": cases, "builds": {name: [build[name] for build in builds] for name in builds[0]}}


def held(stage: Stage) -> dict[str, int]:
    """What the orchestrator holds: on the disk, in memory, and of descriptors."""
    # What was deleted is given back by and by.
    subprocess.run(["sync"], check=True)
    # What is mounted there lies in a file that is counted.
    within = ["--one-file-system"] if mounts_below(stage.state) else []
    taken = subprocess.run(
        ["du", "--summarize", *within, "--block-size=1M", str(stage.state)], check=True, capture_output=True, text=True,
    ).stdout
    told = sum(volume["bytes"] or 0 for volume in api(stage).volumes())
    memory = field(f"/proc/{stage.process}/status", "VmRSS") or "0 kB"
    return {
        "disk_mb": int(taken.split()[0]), "volumes_mb": told // 1_000_000, "memory_mb": int(memory.split()[0]) // 1024,
        "descriptors": len(os.listdir(f"/proc/{stage.process}/fd")),
    }
