"""What a build costs beyond what it cannot do without: the whole job on a runner that is up, less the same job driven
on the runner's own machine (orchestrator, copy, solve, deletion), less two round trips for each stage."""

from bench.pairs import Series, differences, measure, tool_summary
from bench.rows.jobs import sampled, total
from bench.run import Run, say
from bench.stage import Stage
from bench.tools import OURS, Job, Outcome, Tool, build_by_floor, named

FLOOR = "on the spot"
# Spawn, connect, sync, build, destroy.
STAGES = 5
ROUNDS = 7


def overhead(run: Run) -> None:
    for stage in run.selected_stages("overhead", "a"):
        say(f"overhead {stage.setting.name}")
        measure_on(run, stage)


def measure_on(run: Run, stage: Stage) -> None:
    def do(tool: Tool) -> Outcome:
        return tool.do(Job(stage, run.contexts.get("a"), ready_runner=True))

    [ours] = named(OURS)
    floor = Tool(FLOOR, "the same job without any transport", build_by_floor)
    tools = {tool.name: sampled(stage, tool, True, do, total) for tool in (ours, floor)}
    series = measure(tools, 2 if run.quick else ROUNDS, warm_up=not run.quick)
    round_trips = 2 * STAGES * stage.setting.round_trip_ms
    allowed = Series([None if value is None else value + round_trips for value in series[FLOOR].values])
    run.add(
        "overhead", "a", stage.setting.name, unit="ms", difference=differences(allowed, series[OURS]),
        tools={name: tool_summary(one) for name, one in series.items()}, round_trips_ms=round(round_trips, 1))
