"""The second build, on a runner that knows nothing: what it takes where nothing changed, and where one file did."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.base_system import write_base
from bench.changing import ChangingContext
from bench.contexts import COPY_ALL, SMALL_DOCKERFILE, Context
from bench.rows.base_image import push_base
from bench.rows.jobs import compare, there, total
from bench.run import Run, say
from bench.second_tools import PERSISTENT_PEERS, WITHOUT_VOLUME, context_tools, first_build, whole_tools
from bench.settings import LOOPBACK, NAMES, Setting
from bench.stage import VOLUMES, Stage
from bench.tools import Home, Job, Outcome, Tool

ROUNDS = 5
# Where contexts of few small files are compiled, a line of 20 ms makes no difference that counts.
SETTINGS = {"f": ("loopback",), "g": ("loopback",), "h": NAMES}
ROWS = {"again": "again", "changed": "changed"}
CONTEXT_ROWS = {"again": "again-context", "changed": "changed-context"}
# A compilation of all of it beside everything else that runs on the machine.
PATIENCE_S = 1800
# For as long as a runner may live.
STANDING = {"time_budget_minutes": 1440, "lease_seconds": 3600}

DOCKERFILE = """\
FROM {base}
WORKDIR /app
COPY deps.sh .
RUN sh deps.sh
COPY Makefile .
COPY src src
"""
STEPS = {
    "f": "RUN --mount=type=cache,id=ccache,target=/ccache CCACHE_DIR=/ccache make -j2 CC='ccache gcc' app\n",
    "g": "RUN make -j2 CC=gcc part0\n",
}


def second_builds(run: Run) -> None:
    for name in ("f",) if run.is_short else SETTINGS:
        for setting_name in SETTINGS[name]:
            whole = [change for change, row in ROWS.items() if run.takes(row, name, setting_name)]
            context = [
                change for change, row in CONTEXT_ROWS.items() if name == "h" and run.takes(row, name, setting_name)]
            setting = run.setting(setting_name) if whole or context else None
            if setting and whole:
                with second_stage(run, f"second-{name}", name, setting) as stage:
                    SecondBuilds(run, stage, name, whole_tools(name), ROWS, total).measure(whole)
            if setting and context:
                with second_stage(run, f"second-context-{name}", name, setting) as stage:
                    SecondBuilds(run, stage, name, context_tools(), CONTEXT_ROWS, there).measure(context)


@contextmanager
def second_stage(run: Run, folder: str, context: str, setting: Setting = LOOPBACK) -> Iterator[Stage]:
    """One of its own: all that the builds leave behind goes with it. The context's files are as they were made."""
    with run.own_stage(folder, setting, volumes=VOLUMES) as stage:
        write_dockerfile(run, stage, run.contexts.get(context))
        try:
            yield stage
        finally:
            run.contexts.drop(context)


def write_dockerfile(run: Run, stage: Stage, context: Context) -> None:
    text = COPY_ALL
    if context.name in STEPS:
        text = DOCKERFILE.format(base=push_compilers(run, stage)) + STEPS[context.name]
    (context.folder / "Dockerfile").write_text(text)


def push_compilers(run: Run, stage: Stage) -> str:
    folder = run.folder / "context-compilers"
    if not folder.exists():
        write_base(folder)
    say("pushing the base image")
    context = Context("compilers", folder, "compilers")
    return push_base(Job(stage, context, flags=WITHOUT_VOLUME, seconds=PATIENCE_S))


@dataclass
class Place:
    """Where one tool builds again and again."""

    home: Home
    # Files of the context that are changed at its build.
    changes: int = 0
    # The volume that its builds leave, where they do.
    volume: str | None = None
    # Why it cannot build a second time.
    failure: str | None = None

    def request(self) -> dict[str, Any]:
        """What the request of a runner that is made ready for it is to say."""
        if self.volume is None:
            return {}
        return {"workspace": self.home.workspace, "volume": {"from": [self.volume], "to": self.volume}}


@dataclass
class SecondBuilds:
    """The tools' second builds of one context on one stage."""

    run: Run
    stage: Stage
    name: str
    tools: list[Tool]
    # The row of each kind of change.
    rows: dict[str, str]
    value: Callable[[Outcome], float | None]
    places: dict[str, Place] = field(default_factory=dict)
    context: ChangingContext = field(init=False)

    def __post_init__(self) -> None:
        self.context = ChangingContext(self.run.contexts.get(self.name))

    @property
    def of_context(self) -> bool:
        """Whether the transfer alone is measured: on runners that are up, and an image of one small file."""
        return self.rows is CONTEXT_ROWS

    def measure(self, changes: list[str]) -> None:
        with ExitStack() as stack:
            for tool in self.tools:
                if not tool.absence(self.stage):
                    self.places[tool.name] = self.first(tool, stack)
            for change in changes:
                compare(
                    self.run, self.rows[change], self.name, self.stage, ROUNDS, self.tools,
                    partial(self.second, is_changed=change == "changed"), self.value, prepares=False)

    def first(self, tool: Tool, stack: ExitStack) -> Place:
        say(f"first build: {self.name} {self.stage.setting.name}: {tool.name}")
        index = len(self.places)
        folder = self.stage.folder / f"kept-{index}"
        folder.mkdir()
        builder = stack.enter_context(self.stage.runner(**STANDING)) if tool in PERSISTENT_PEERS else None
        place = Place(Home(f"second-{index}", folder, builder))
        outcome = first_build(tool)(self.job(place, ready_runner=False))
        if outcome.failure:
            place.failure = f"its first build failed: {outcome.failure}"
            self.run.note(f"{tool.name} builds {self.name} no second time, since {place.failure}")
        elif outcome.volume:
            place.volume = outcome.volume["name"]
        return place

    def second(self, tool: Tool, is_changed: bool) -> Outcome:
        place = self.places[tool.name]
        if place.failure:
            return Outcome(failure=place.failure)
        place.changes += is_changed
        self.context.change(place.changes)
        if self.name == "h":
            self.context.check_out()
        if place.home.builder:
            self.stage.call("POST", f"/api/v1/runners/{place.home.builder['runner_id']}/heartbeat", {})
        if self.of_context:
            self.stage.ready_runners.prepare(**place.request())
        return tool.do(self.job(place, ready_runner=self.of_context))

    def job(self, place: Place, ready_runner: bool) -> Job:
        return Job(
            self.stage, self.context.context, SMALL_DOCKERFILE if self.of_context else "Dockerfile",
            ready_runner=ready_runner, stop_at_context=self.of_context, home=place.home, seconds=PATIENCE_S)
