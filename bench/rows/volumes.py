"""What keeping the state of an engine costs: to clone and to keep it, by its size and by the number of volumes; and a
cold build that keeps it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.contexts import Context, busybox_context
from bench.orchestrator_client import Client, wait_for_engine
from bench.pairs import Sample, Series, comparison, measure, tool_summary
from bench.processes import BenchFailure
from bench.rows.jobs import sampled, total
from bench.rows.second import PATIENCE_S, ROUNDS, second_stage
from bench.run import Run, say
from bench.second_tools import WARM, build_cold, build_on_volume, build_warm
from bench.stage import VOLUMES, Stage
from bench.tools import Home, Job, Outcome, Tool

SIZES_MB = (100, 1_000, 5_000)
COUNTS = (1, 10, 100)
SPAWN, SPAWN_CLONE, KEEP, CLONE_AND_KEEP = "runner up, no volume", "runner up, on a clone", "keep", "clone and keep"
ON, OFF = "volumes on", "volumes off"
COLD_CONTEXT = "g"


def volumes_by_size(run: Run) -> None:
    for size in SIZES_MB[:1] if run.quick else SIZES_MB:
        name = f"state-{size}"
        if run.takes("volume", name, "loopback"):
            with run.own_stage(name, volumes=VOLUMES) as stage:
                context = state_context(run.folder, size)
                measure_volume(run, stage, name, f"{size} MB of state", context, kept_volume(stage, context))


def volumes_by_count(run: Run) -> None:
    wanted = COUNTS[:2] if run.quick else COUNTS
    counts = [count for count in wanted if run.takes("volume", f"count-{count}", "loopback")]
    if not counts:
        return
    with run.own_stage("count", volumes=VOLUMES) as stage:
        context = run.contexts.get("a")
        name = kept_volume(stage, context)
        for count in counts:
            for number in range(len(api(stage).volumes()), count):
                keep_another(stage, f"volume-{number}")
            measure_volume(run, stage, f"count-{count}", f"{count} volumes", context, name)


def state_context(parent: Path, size: int) -> Context:
    """Its step leaves so many MB in the engine's state and none in the image."""
    return busybox_context(
        parent, f"state-{size}", f"{size} MB in a cache mount",
        f"RUN --mount=type=cache,id=state,target=/state busybox seq {4 * size} | while read -r file; do \\\n"
        "  busybox head -c 250000 /dev/urandom > /state/$file; done\n")


def home(stage: Stage) -> Home:
    return Home("kept", stage.folder)


def kept_volume(stage: Stage, context: Context) -> str:
    """The name of the volume that a first build leaves."""
    outcome = build_on_volume()(Job(stage, context, home=home(stage), seconds=PATIENCE_S))
    if outcome.failure or outcome.volume is None:
        raise BenchFailure(f"no volume to measure: {outcome.failure}")
    name: str = outcome.volume["name"]
    return name


def keep_another(stage: Stage, name: str) -> None:
    client = api(stage)
    runner = client.spawn(name, stage.public_key, volume={"from": [], "to": f"ci/bench/{name}"})
    wait_for_engine(runner, str(stage.state))
    client.keep(runner["runner_id"])
    client.destroy(runner["runner_id"])


def measure_volume(run: Run, stage: Stage, row: str, about: str, context: Context, name: str) -> None:
    """The whole build where nothing changed, and what of it is the volume's: on top of a runner without one, whose
    engine is up, the clone; and the keeping."""
    say(f"volume {row}")
    keeps = Series()
    workspace = home(stage).workspace

    def runner_up(volume: str | None) -> Sample:
        request = {} if volume is None else {"workspace": workspace, "volume": {"from": [volume], "to": volume}}
        client = api(stage)
        start = time.perf_counter()
        runner = client.spawn(f"row-{time.monotonic_ns()}", stage.public_key, **request)
        try:
            wait_for_engine(runner, str(stage.state))
            up = milliseconds(start)
            if volume and runner["volume"]["state"] != "warm":
                raise BenchFailure(f"a runner was to have a clone of {about}: {runner['volume']}")
            if volume:
                start = time.perf_counter()
                client.keep(runner["runner_id"])
                keeps.add(Sample(milliseconds(start)))
            return Sample(up)
        finally:
            client.destroy(runner["runner_id"])

    warm = Tool(WARM, WARM, build_warm())
    tools: dict[str, Callable[[], Sample]] = {
        WARM: sampled(stage, warm, False, lambda tool: tool.do(Job(stage, context, home=home(stage))), total),
        SPAWN: partial(runner_up, None), SPAWN_CLONE: partial(runner_up, name),
    }
    series = measure(tools, 2 if run.quick else ROUNDS, warm_up=False)
    series[KEEP] = keeps
    series[CLONE_AND_KEEP] = Series([
        clone - spawn + kept for spawn, clone, kept in zip(
            series[SPAWN].good(), series[SPAWN_CLONE].good(), keeps.good(), strict=True)])
    run.add(
        "volume", row, "loopback", unit="ms", about=about,
        tools={name: tool_summary(one) for name, one in series.items()})


def cold_builds(run: Run) -> None:
    """The first build of a workspace, whose volume is kept and then dropped, against the same without volumes."""
    if run.is_short or not run.takes("cold", COLD_CONTEXT, "loopback"):
        return
    with second_stage(run, "cold", COLD_CONTEXT) as stage:
        say("cold")
        context = run.contexts.get(COLD_CONTEXT)

        def keeping(job: Job) -> Outcome:
            outcome = build_on_volume()(job)
            if outcome.volume and outcome.volume.get("kept"):
                api(stage).delete_volume(outcome.volume["name"])
            return outcome

        tools = {
            name: sampled(
                stage, Tool(name, name, do), False,
                lambda tool: tool.do(Job(stage, context, seconds=PATIENCE_S)), total)
            for name, do in ((ON, keeping), (OFF, build_cold))
        }
        series = measure(tools, 1 if run.quick else ROUNDS, warm_up=False)
        run.add("cold", COLD_CONTEXT, "loopback", **comparison(series, ON, None), about=context.description)


def api(stage: Stage) -> Client:
    return Client(stage.orchestrator.removeprefix("http://"))


def milliseconds(start: float) -> float:
    return (time.perf_counter() - start) * 1000
