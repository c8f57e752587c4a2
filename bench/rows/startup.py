"""What runs without a runner: the start, the probe, and a dry run of contexts that grow."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.pairs import Sample, comparison, measure
from bench.processes import run as run_command
from bench.rows.memory import FILES
from bench.run import Run, say
from bench.tools import our_environment

OURS = "lian-build"
ROUNDS = 15


def startup(run: Run) -> None:
    ours = str(run.binaries / "lian-build")
    rounds = 5 if run.quick else ROUNDS
    if run.takes("startup", "version", "loopback"):
        beside(run, "startup", "version", [ours, "--version"], ["rsync", "--version"], rounds * 2)
    if run.takes("startup", "integrate", "loopback"):
        probe = run.folder / "probe.json"
        probe.write_text(json.dumps(probe_context()))
        beside(run, "startup", "integrate", [ours, "integrate"], ["jq", "."], rounds * 2, str(probe))
    for count in FILES[:2] if run.quick else FILES:
        name = f"files-{count}"
        if run.takes("dry-run", name, "loopback"):
            context = run.contexts.get(name)
            list_by_rsync = ["rsync", "-an", "--exclude=*.log", f"{context.folder}/", f"{run.folder}/nowhere/"]
            beside(run, "dry-run", name, dry_run(ours, context.folder), list_by_rsync, rounds)


def beside(
    run: Run, row: str, name: str, ours: list[str], peer: list[str], rounds: int, stdin: str = os.devnull,
) -> None:
    say(f"{row} {name}")
    peer_name = " ".join(word for word in peer if not word.startswith(str(run.folder)))
    tools = {OURS: timed(ours, stdin), peer_name: timed([shutil.which(peer[0]) or peer[0], *peer[1:]], stdin)}
    series = measure(tools, rounds, warm_up=True)
    peaks = run_command(ours, our_environment(), stdin, watch_memory=True).peaks_mb
    run.add(row, name, "loopback", **comparison(series, OURS, None), figures={"peaks_mb": peaks})


def timed(command: list[str], stdin: str) -> Callable[[], Sample]:
    def once() -> Sample:
        done = run_command(command, our_environment(), stdin)
        if done.status != 0:
            return Sample(None, f"exit {done.status}: {done.errors.strip()}")
        return Sample(done.seconds * 1000)
    return once


def dry_run(ours: str, context: Path) -> list[str]:
    return [
        ours, "build", "--dry-run", "--progress", "quiet", "--workspace", "bench", "--context", str(context),
        "--image", "localhost:5000/bench/app:1", "--ssh-key", "ephemeral", "--orchestrator-url", "http://127.0.0.1:9",
    ]


def probe_context() -> dict[str, Any]:
    """A context whose checks need no network: a secret and directives."""
    directives = {
        "schema_version": "1", "workspace": "bench", "compute": {"provider": "local"},
        "registry": {"provider": "zot", "endpoint": "localhost:5000"},
        "artifacts": [{"name": "app", "context": ".", "image": "localhost:5000/bench/app:1"}],
    }
    return {
        "schema": "secret-delivery-context/v1", "request_id": "bench-1", "workspace": "bench",
        "actor": {"id": "bench", "kind": "probe"}, "checks": ["secrets", "directives"], "directives": directives,
        "secrets": [{"name": "a", "kind": "cred", "delivery": {"via": "inline", "value": "0123456789abcdef"}}],
    }
