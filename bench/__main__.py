"""Runs the benchmark: scripts/bench says how."""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from bench import amendment, ground, tables
from bench.machine import machine
from bench.processes import BenchFailure
from bench.rows import (
    base_image, cloacina, cluster, connect, day, events, jobs, memory, orchestrator, overhead, second, startup, volumes,
)
from bench.run import Run, Selection, say
from bench.targets import NOT_MEASURED

# Large contexts last: what they leave behind in memory and on the disk slows nobody.
ROWS = {
    "startup, dry-run": startup.startup, "pack": cloacina.cloacina,
    "connect": connect.connect, "overhead": overhead.overhead,
    "events": events.events, "whole": jobs.whole_jobs, "ready": jobs.whole_jobs_on_ready_runners,
    "base": base_image.far_base_image, "context": jobs.contexts,
    "memory": memory.memory, "growth": memory.growth, "log": memory.log,
    "orchestrator": orchestrator.orchestrator, "second": second.second_builds, "cold": volumes.cold_builds,
    "size": volumes.volumes_by_size, "count": volumes.volumes_by_count, "rebuilds": day.day,
    "cluster": cluster.runners_on_a_cluster,
}
# By which --only names them.
NAMES = (
    "whole", "ready", "base", "context", "connect", "overhead", "memory", "growth", "log", "events", "startup",
    "dry-run", "orchestrator", "pack", "again", "changed", "again-context", "changed-context", "volume", "cold",
    "rebuilds", "cluster", "crowd",
)
NEEDS_NO_RUNNER = (startup.startup, cloacina.cloacina)


def main() -> int:
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    tempfile.tempdir = options.folder
    start = time.monotonic()
    form = "quick: contexts of a tenth, few rounds; for trying it out" if options.quick else "full"
    now = machine(None)
    before = {"load": now["load"], "folders": ground.kind(tempfile.gettempdir())}
    try:
        earlier = amendment.read_for(options.into, form, {**now, **before}) if options.into else None
    except (BenchFailure, OSError, ValueError) as failure:
        print(f"error: --into {options.into}: {failure}", file=sys.stderr)
        return 2
    if options.binaries is None:
        return 0
    with ExitStack() as stack:
        run = Run(
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lb-"))), options.binaries, options.quick,
            Selection(tuple(options.only)), stack)
        try:
            measure(run)
        except KeyboardInterrupt:
            # Nothing is left half undone by impatience.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            say("interrupted: undoing what was made")
            return 130
        results = {
            "form": form,
            "machine": {**machine(run.engine), **before},
            "settings": {name: setting.description for name, setting in run.settings.items()},
            "notes": run.notes, "measures": run.measures,
        }
    show(results, is_whole=not options.only)
    write(amendment.amended(earlier, results) if earlier else results, options.output)
    say(f"{round(time.monotonic() - start)} s; all figures are in {options.output}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="lian-build side by side with its peers")
    # Without it the arguments are looked at, and nothing is measured.
    parser.add_argument("--binaries", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="under two minutes: small contexts, few rounds")
    parser.add_argument(
        "--only", action="append", type=pattern, default=[], metavar="ROW/CONTEXT/SETTING",
        help=f"rows: {', '.join(NAMES)}; parts may be empty or left out; repeatable")
    parser.add_argument(
        "--folder", type=existing_folder, default=ground.memory_with_room(),
        help="below which all folders are made; default: in memory where there is room, else TMPDIR")
    parser.add_argument(
        "--output", type=Path, help="default: bench/results.json for a full run of all rows, else .build/bench.json")
    parser.add_argument(
        "--into", type=Path, metavar="FILE",
        help="takes what is measured into the results of an earlier run on this machine, in place of the same rows")
    options = parser.parse_args()
    is_whole = not options.quick and not options.only
    options.output = options.output or options.into or (tables.RESULTS if is_whole else Path(".build/bench.json"))
    return options


def pattern(text: str) -> str:
    row = text.split("/")[0]
    if row and row not in NAMES:
        raise argparse.ArgumentTypeError(f"there is no row '{row}': {', '.join(NAMES)}")
    return text


def existing_folder(text: str) -> str:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return str(Path(text).resolve())


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def measure(run: Run) -> None:
    for name, row in ROWS.items():
        if os.geteuid() != 0 and row not in NEEDS_NO_RUNNER:
            run.note("runners with engines of their own take root: only what needs no runner was measured")
            continue
        try:
            row(run)
        except BenchFailure as failure:
            run.note(f"{name} could not be measured to its end: {failure}")


def show(results: dict[str, Any], is_whole: bool) -> None:
    for name in ("run", "comparisons", "growth", "orchestrator", "second", "rebuilds", "crowd", "targets"):
        rows = [row for row in tables.TABLES[name](results) if is_whole or NOT_MEASURED not in row]
        if len(rows) > 1:
            print(f"\n{tables.as_text(rows)}")
    sys.stdout.flush()


def write(results: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    measures = ",\n".join(json.dumps(measure) for measure in results["measures"])
    rest = json.dumps({**results, "measures": []}, indent=1).removesuffix("]\n}")
    # What a tool said of its failure may name our temporary folder.
    path.write_text(re.sub(r"[^\s\"']*/lb-[^\s\"'/]+", "TMP", f"{rest}\n{measures}\n ]\n}}\n"))
    # Behind sudo it is still the caller's.
    if "SUDO_UID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))


sys.exit(main())
