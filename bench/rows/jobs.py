"""Whole jobs, and the part of them in which the context travels: lian-build and every peer in turn."""

from collections.abc import Callable

from bench.contexts import SMALL_DOCKERFILE
from bench.pairs import Sample, comparison, measure
from bench.run import Run, say
from bench.stage import Stage
from bench.tools import PLAIN, TOOLS, Job, Outcome, Tool

# Rounds in a full run, by context: few where one takes long.
WHOLE_ROUNDS = {"a": 5, "b": 3, "c": 3}
READY_ROUNDS = 5
CONTEXT_ROUNDS = {"b": 5, "c": 5, "d": 3, "e": 3}


def whole_jobs(run: Run) -> None:
    """From the start of the program to its end: spawn, context, build, push, cache export, deletion."""
    for name, rounds in WHOLE_ROUNDS.items():
        # It differs from b by its ignore rules alone, which the row of contexts shows.
        if run.quick and name == "c":
            continue
        for stage in run.selected_stages("whole", name):
            compare_whole(run, "whole", name, stage, rounds)


def whole_jobs_on_ready_runners(run: Run) -> None:
    """The same where nobody waits for a runner's boot: for the smallest context, whose jobs the boot is most of."""
    for stage in run.selected_stages("ready", "a") if not run.quick else ():
        compare_whole(run, "ready", "a", stage, READY_ROUNDS)


def compare_whole(run: Run, row: str, name: str, stage: Stage, rounds: int) -> None:
    def do(tool: Tool) -> Outcome:
        return tool.do(Job(stage, run.contexts.get(name), ready_runner=row == "ready"))
    compare(run, row, name, stage, rounds, TOOLS, do, total, prepares=row == "ready")


def contexts(run: Run) -> None:
    """From a runner that is up until the context is there, the connection included. The image is of one small file."""
    for name, rounds in CONTEXT_ROUNDS.items():
        for stage in run.selected_stages("context", name):
            compare_context(run, name, stage, rounds)
        if name in "de":
            run.contexts.drop(name)


def compare_context(run: Run, name: str, stage: Stage, rounds: int) -> None:
    def do(tool: Tool) -> Outcome:
        return tool.do(Job(stage, run.contexts.get(name), SMALL_DOCKERFILE, ready_runner=True, stop_at_context=True))
    tools = [tool for tool in TOOLS if tool.carries(name)]
    compare(run, "context", name, stage, rounds, tools, do, there, prepares=True)


def total(outcome: Outcome) -> float:
    return outcome.total_ms


def there(outcome: Outcome) -> float | None:
    return outcome.context_ms


def compare(
    run: Run, row: str, context: str, stage: Stage, rounds: int, tools: list[Tool],
    do: Callable[[Tool], Outcome], value: Callable[[Outcome], float | None], prepares: bool,
) -> None:
    """The first tool is the one that the others are compared with. `prepares` has a runner made before each turn."""
    present = {}
    absent = {}
    for tool in tools:
        why = tool.absence(stage)
        if why:
            absent[tool.name] = why
            run.note(f"{tool.name} takes no part: {why}")
        else:
            present[tool.name] = sampled(stage, tool, prepares, do, value)
    say(f"{row} {context} {stage.setting.name}")
    rounds = 1 if run.quick else rounds
    series = measure(present, rounds, warm_up=context == "a" and not run.quick)
    own = {tool.name for tool in tools if tool.is_ours}
    run.add(row, context, stage.setting.name, **comparison(series, tools[0].name, PLAIN, own), absent=absent,
            about=run.contexts.get(context).description)


def sampled(
    stage: Stage, tool: Tool, prepares: bool, do: Callable[[Tool], Outcome], value: Callable[[Outcome], float | None],
) -> Callable[[], Sample]:
    def once() -> Sample:
        if prepares:
            stage.ready_runners.prepare()
        outcome = do(tool)
        if outcome.failure:
            say(f"{tool.name} failed: {outcome.failure}")
            return Sample(None, outcome.failure)
        return Sample(value(outcome))
    return once
