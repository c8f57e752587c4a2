"""Peak memory of each of our processes, and how time and memory grow with files and with the length of a log."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contexts import SMALL_DOCKERFILE, Context, busybox_context
from bench.run import Run, say
from bench.stage import Stage
from bench.tools import OURS, Job, Outcome, named

FILES = (1_000, 10_000, 100_000)
LOG_MB = (1, 10, 100)


def memory(run: Run) -> None:
    for name in "abcde":
        if run.takes("memory", name, "loopback") and (stage := run.stage("loopback")):
            say(f"memory {name}")
            add(run, "memory", name, ours(stage, run.contexts.get(name), SMALL_DOCKERFILE))
            if name in "de":
                run.contexts.drop(name)


def growth(run: Run) -> None:
    for count in FILES[:2] if run.quick else FILES:
        name = f"files-{count}"
        if run.takes("growth", name, "loopback") and (stage := run.stage("loopback")):
            say(f"growth {name}")
            add(run, "growth", name, ours(stage, run.contexts.get(name), SMALL_DOCKERFILE))
            run.contexts.drop(name)


def log(run: Run) -> None:
    """The engine is started without its limits on a step's log, which would cut these off. The step takes a tenth of a
    second for each MB: BuildKit's own client gives a build up where its log comes in much later than it is done."""
    sizes = LOG_MB[:2] if run.quick else LOG_MB
    wanted = [size for size in sizes if run.takes("log", f"log-{size}", "loopback")]
    if not wanted:
        return
    with unlimited_logs(run) as stage:
        for size in wanted:
            say(f"log {size} MB")
            add(run, "log", f"log-{size}", ours(stage, talkative(run.folder, size)))


def talkative(parent: Path, size: int) -> Context:
    return busybox_context(
        parent, f"log-{size}", f"{size} MB of log",
        f"RUN busybox seq {size} | while read -r _; do \\\n"
        "  busybox yes 'a line of a log, of fifty characters with its end' | busybox head -c 1000000; \\\n"
        "  busybox sleep 0.1; done\n")


def ours(stage: Stage, context: Context, dockerfile: str = "Dockerfile") -> tuple[Outcome, Context]:
    [tool] = named(OURS)
    stage.ready_runners.prepare()
    job = Job(stage, context, dockerfile, ready_runner=True, watch_memory=True, progress="plain")
    return tool.do(job), context


def add(run: Run, row: str, name: str, measured: tuple[Outcome, Context]) -> None:
    outcome, context = measured
    if outcome.failure:
        say(f"lian-build failed: {outcome.failure}")
    run.add(
        row, name, "loopback", about=context.description, failure=outcome.failure,
        figures={} if outcome.failure else {
            "total_ms": round(outcome.total_ms), "context_ms": outcome.context_ms, "peaks_mb": outcome.peaks_mb})


@contextmanager
def unlimited_logs(run: Run) -> Iterator[Stage]:
    programs = run.folder / "engines"
    programs.mkdir()
    for name in ("buildkitd", "dockerd"):
        if program := shutil.which(name):
            stand_in(programs / name, program)
    with run.own_stage("log", path=f"{programs}:") as stage:
        yield stage


def stand_in(path: Path, program: str) -> None:
    path.write_text(
        "#!/bin/sh\nexport BUILDKIT_STEP_LOG_MAX_SIZE=-1 BUILDKIT_STEP_LOG_MAX_SPEED=-1\n"
        f"exec '{program}' \"$@\"\n")
    os.chmod(path, 0o755)
