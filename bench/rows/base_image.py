"""A base image in a registry that is far from the runner: what is fetched beside the context costs no time."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.contexts import MB, SEED, Context, write_pieces
from bench.processes import BenchFailure, daemon, eventually, free_port
from bench.rows.jobs import compare, total
from bench.run import Run
from bench.stage import Stage, fetch, module_environment
from bench.tools import TOOLS, Job, Outcome, Tool, build_by_ours

ROUND_TRIP_MS = 200
CONTEXT = "b"
ROUNDS = 3
LAYERS = 4
# Beside the Dockerfile of the other rows.
DOCKERFILE = "Based.dockerfile"


def far_base_image(run: Run) -> None:
    """The whole job on a runner that is up: of a large context an image that adds one small file to such a one."""
    if run.quick:
        return
    for stage in run.selected_stages("base", CONTEXT):
        if stage.setting.name == "loopback":
            with long_way(stage) as port:
                compare_on_base(run, stage, f"127.0.0.1:{port}")


def compare_on_base(run: Run, stage: Stage, registry: str) -> None:
    context = run.contexts.get(CONTEXT)
    numbers = random.Random(f"{SEED} base")

    def do(tool: Tool) -> Outcome:
        # One of its own for each job, as all that a job works with.
        base = push_base(Job(stage, small_base(run, numbers))).removeprefix(stage.registry)
        (context.folder / DOCKERFILE).write_text(f"FROM {registry}{base}\nCOPY {DOCKERFILE} /\n")
        return tool.do(Job(stage, context, DOCKERFILE, ready_runner=True))

    try:
        compare(run, "base", CONTEXT, stage, ROUNDS, TOOLS, do, total, prepares=True)
    finally:
        (context.folder / DOCKERFILE).unlink(missing_ok=True)


def small_base(run: Run, numbers: random.Random) -> Context:
    folder = run.folder / "context-base"
    folder.mkdir(exist_ok=True)
    for layer in range(LAYERS):
        write_pieces(folder / f"layer{layer}", 1, lambda: numbers.randbytes(MB))
    copies = "".join(f"COPY layer{layer} /base/\n" for layer in range(LAYERS))
    (folder / "Dockerfile").write_text(f"FROM scratch\n{copies}")
    return Context("base", folder, f"{LAYERS} layers of 1 MB")


def push_base(job: Job) -> str:
    """The image's name."""
    outcome = build_by_ours(job)
    if outcome.failure:
        raise BenchFailure(f"the base image could not be pushed: {outcome.failure}")
    return job.image


@contextmanager
def long_way(stage: Stage) -> Iterator[int]:
    """The port on which the registry is that far away."""
    port = free_port()
    target = stage.registry.rpartition(":")[2]
    command = [*stage.setting.far, sys.executable, "-m", "bench.slow_way", str(port), target, str(ROUND_TRIP_MS)]
    with daemon(command, stage.folder / "slow_way.log", module_environment()):
        eventually(lambda: fetch(stage.setting, f"http://127.0.0.1:{port}/v2/") is not None, "the way to the registry")
        yield port
