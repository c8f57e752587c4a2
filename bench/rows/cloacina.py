"""Packages of Cloacina: the start, packing beside tar and bzip2, and the memory that looking into a large one takes."""

import os
import random
import shlex
from collections.abc import Callable
from pathlib import Path

from bench.contexts import MB, SEED, write_pieces, write_sources
from bench.pairs import Sample, comparison, measure
from bench.processes import BenchFailure, last_line
from bench.processes import run as run_command
from bench.run import Run, say

OURS = "lian-cloacina"
BY_HAND = "tar | bzip2 -9"
# How many processors each may use.
CORES = {"one-core": 1, "two-cores": 2}
MANIFEST = '[package]\nname = "bench"\nversion = "1"\n\n[metadata]\nworkflow_name = "bench"\nlanguage = "python"\n'


def cloacina(run: Run) -> None:
    ours = str(run.binaries / OURS)
    if run.takes("startup", OURS, "loopback"):
        say(f"startup {OURS}")
        tools = {OURS: timed([ours, "--version"]), "bzip2 --version": timed(["bzip2", "--version"])}
        series = measure(tools, 10 if run.quick else 30, warm_up=True)
        run.add("startup", OURS, "loopback", **comparison(series, OURS, None))
    pack(run, ours)
    if run.takes("memory", "archive", "loopback"):
        say("memory archive")
        inspect(run, ours)


def pack(run: Run, ours: str) -> None:
    wanted = [name for name in CORES if run.takes("pack", name, "loopback")]
    if not wanted:
        return
    files, size = (500, 6) if run.quick else (5_000, 60)
    package = new_package(run, "pack")
    write_sources(package / "workflow/bench", random.Random(f"{SEED} pack"), files, size * MB)
    out = run.folder / "packed"
    by_hand = f"tar -C {shlex.quote(str(run.folder))} -cf - pack | bzip2 -9 >{shlex.quote(str(out))}"
    processors = sorted(os.sched_getaffinity(0))
    for name in wanted:
        if len(processors) < CORES[name]:
            run.note(f"packing on {CORES[name]} processors was not measured: there are fewer")
            continue
        say(f"pack {name}")
        bound = ["taskset", "--cpu-list", ",".join(str(number) for number in processors[:CORES[name]])]
        tools = {
            OURS: timed([*bound, ours, "package", "pack", str(package), "--out", str(out)]),
            BY_HAND: timed([*bound, "sh", "-c", by_hand]),
        }
        series = measure(tools, 3 if run.quick else 5, warm_up=True)
        run.add(
            "pack", name, "loopback", about=f"{files:,} files like sources, {size} MB",
            **comparison(series, OURS, None))


def inspect(run: Run, ours: str) -> None:
    """Of noise, so that the archive is as large as what is in it."""
    size = 10 if run.quick else 99
    package = new_package(run, "large")
    numbers = random.Random(f"{SEED} large")
    for part in range(9):
        write_pieces(package / f"workflow/bench/noise{part}", size // 9, lambda: numbers.randbytes(MB))
    archive = run.folder / "large.cloacina"
    succeed([ours, "package", "pack", str(package), "--out", str(archive)])
    seconds, peaks = succeed([ours, "package", "inspect", str(archive)])
    run.add(
        "memory", "archive", "loopback", about=f"{OURS} package inspect, {archive.stat().st_size // MB} MB",
        figures={"total_ms": round(seconds * 1000), "peaks_mb": peaks}, failure=None)


def new_package(run: Run, name: str) -> Path:
    package = run.folder / name
    modules = package / "workflow/bench"
    modules.mkdir(parents=True)
    (package / "package.toml").write_text(MANIFEST)
    (modules / "tasks.py").write_text("import cloaca\n")
    return package


def timed(command: list[str]) -> Callable[[], Sample]:
    def once() -> Sample:
        done = run_command(command)
        if done.status != 0:
            return Sample(None, f"exit {done.status}: {last_line(done.errors)}")
        return Sample(done.seconds * 1000)
    return once


def succeed(command: list[str]) -> tuple[float, dict[str, float]]:
    done = run_command(command, watch_memory=True)
    if done.status != 0:
        raise BenchFailure(f"{OURS} ended with exit {done.status}: {last_line(done.errors)}")
    return done.seconds, done.peaks_mb
