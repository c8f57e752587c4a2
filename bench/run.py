"""One run of the benchmark: what was asked for, what is there, and what has been measured so far."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contexts import Contexts
from bench.settings import LOOPBACK, NAMES, NoFarSetting, Setting, far_setting
from bench.stage import NO_VOLUMES, Stage, stage


@dataclass(frozen=True)
class Selection:
    """`ROW/CONTEXT/SETTING` patterns: each part a name, or empty for all; parts at the end may be left out."""

    patterns: tuple[str, ...] = ()

    def takes(self, row: str, context: str | None = None, setting: str | None = None) -> bool:
        asked = (row, context, setting)
        return not self.patterns or any(
            all(not want or have is None or want == have for want, have in zip(pattern.split("/"), asked, strict=False))
            for pattern in self.patterns)


@dataclass
class Run:
    folder: Path
    binaries: Path
    quick: bool
    selection: Selection
    stack: ExitStack
    measures: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Setting] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    # What the runners' engines are, once there was a stage.
    engine: str | None = None
    contexts: Contexts = field(init=False)

    def __post_init__(self) -> None:
        self.contexts = Contexts(self.folder, self.quick)

    def takes(self, row: str, context: str | None = None, setting: str | None = None) -> bool:
        return self.selection.takes(row, context, setting)

    @property
    def is_short(self) -> bool:
        """Quick, and nothing is asked for by name: what takes minutes by itself is left out."""
        return self.quick and not self.selection.patterns

    def note(self, text: str) -> None:
        """Something that the reader of the figures has to know."""
        if text not in self.notes:
            self.notes.append(text)
            say(text)

    def add(self, row: str, context: str | None, setting: str | None, **facts: Any) -> None:
        self.measures.append({"row": row, "context": context, "setting": setting, **facts})

    def setting(self, name: str) -> Setting | None:
        """None where it cannot be had, which is noted."""
        if name == "loopback":
            return self.settings.setdefault(name, LOOPBACK)
        if name not in self.settings:
            if any(note.startswith("no far setting") for note in self.notes):
                return None
            try:
                self.settings[name] = self.stack.enter_context(far_setting(self.folder))
            except NoFarSetting as why:
                self.note(f"no far setting, loopback alone: {why}")
                return None
        return self.settings[name]

    def stage(self, name: str) -> Stage | None:
        """The stage of a setting, for as long as this run."""
        setting = self.setting(name)
        if setting is None:
            return None
        if name not in self.stages:
            self.stages[name] = self.stack.enter_context(stage(setting, self.folder / name, self.binaries))
            self.engine = self.stages[name].engine
        return self.stages[name]

    def selected_stages(self, row: str, context: str | None = None) -> Iterator[Stage]:
        for name in NAMES:
            if self.takes(row, context, name) and (found := self.stage(name)):
                yield found

    @contextmanager
    def own_stage(
        self, name: str, setting: Setting = LOOPBACK, capacity: int = 16, path: str = "",
        volumes: tuple[str, ...] = NO_VOLUMES,
    ) -> Iterator[Stage]:
        """Another one, for this block."""
        with stage(setting, self.folder / name, self.binaries, capacity, path, volumes) as own:
            self.engine = own.engine
            yield own


def say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)
