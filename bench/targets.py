"""The targets, and what a run says of each: met, missed, or not measured."""

import statistics
from dataclasses import dataclass
from typing import Any

from bench.rows.cloacina import BY_HAND
from bench.second_tools import CARRIED, CONTEXT_PEERS, PERSISTENT, REGISTRY_CACHE

Measure = dict[str, Any]
# A difference of events that is no more than what one run differs from the next.
NOISE_MS = 5
NOT_MEASURED = "not measured"
# The context of the day of rebuilds: 10 MB, so that a generation that only ever grew would pass its bound.
REBUILT = "files-5000"


@dataclass(frozen=True)
class Verdict:
    what: str
    setting: str
    target: str
    measured: str
    # The lowest and the highest of the rounds.
    spread: str
    met: bool | None


@dataclass(frozen=True)
class RatioTarget:
    """How many times as long a peer takes, in the same round."""

    what: str
    row: str
    context: str | None
    # By setting: against the plain script, and against the best peer.
    plain: dict[str, float]
    best: dict[str, float]

    def verdicts(self, measures: list[Measure]) -> list[Verdict]:
        found = []
        for setting in ("loopback", "far"):
            measure = find(measures, self.row, self.context, setting)
            for peer, targets in (("plain", self.plain), ("best", self.best)):
                if setting in targets:
                    found.append(self.verdict(measure, peer, setting, targets[setting]))
        return found

    def verdict(self, measure: Measure | None, peer: str, setting: str, target: float) -> Verdict:
        name = measure[peer] if measure else None
        ratio = measure["ratios"][name] if measure and name else None
        what = f"{self.what}, against the {'plain one' if peer == 'plain' else 'best peer'}"
        if ratio is None:
            return Verdict(what, setting, f"{target} ×", NOT_MEASURED, "", None)
        return Verdict(
            f"{what} ({name})" if peer == "best" else what, setting, f"{target} ×", f"{ratio['median']} ×",
            f"{ratio['low']} – {ratio['high']}", ratio["median"] >= target)


@dataclass(frozen=True)
class GroupTarget:
    """How ours stands to the fastest of these peers: `least` is how many times as long that one takes at least, `most`
    how many times as long as it ours takes at most."""

    what: str
    row: str
    context: str
    peers: tuple[str, ...]
    least: float | None = None
    most: float | None = None
    setting: str = "loopback"

    def verdicts(self, measures: list[Measure]) -> list[Verdict]:
        target = f"{self.least:g} ×" if self.least else f"≤ {self.most:g} × its time"
        measure = find(measures, self.row, self.context, self.setting)
        there = [name for name in self.peers if measure and name in measure["ratios"]]
        if measure is None or not there:
            return [Verdict(self.what, self.setting, target, NOT_MEASURED, "", None)]
        best = min(there, key=lambda name: measure["tools"][name]["median"])
        what = f"{self.what} ({best})" if len(self.peers) > 1 else self.what
        median, low, high = (measure["ratios"][best][name] for name in ("median", "low", "high"))
        if self.least:
            return [Verdict(what, self.setting, target, f"{median} ×", f"{low} – {high}", median >= self.least)]
        median, low, high = (round(1 / ratio, 2) for ratio in (median, high, low))
        return [Verdict(what, self.setting, target, f"{median} × its time", f"{low} – {high}", median <= self.most)]


@dataclass(frozen=True)
class LimitTarget:
    """What must not be more than a limit: `value` finds the figure, its spread with it."""

    what: str
    row: str
    context: str | None
    limit: float
    unit: str
    settings: tuple[str, ...] = ("loopback",)
    of: str = ""

    def verdicts(self, measures: list[Measure]) -> list[Verdict]:
        return [self.verdict(find(measures, self.row, self.context, setting), setting) for setting in self.settings]

    def verdict(self, measure: Measure | None, setting: str) -> Verdict:
        target = f"{self.limit:g} {self.unit}"
        found = self.figure(measure) if measure else None
        if found is None:
            return Verdict(self.what, setting, target, NOT_MEASURED, "", None)
        spread = f"{found['low']} – {found['high']}" if "low" in found else ""
        noise = NOISE_MS if self.row == "events" else 0
        return Verdict(
            self.what, setting, target, f"{found['median']} {self.unit}", spread, found["median"] <= self.limit + noise)

    def figure(self, measure: Measure) -> Measure | None:
        found: Measure | None
        if self.row == "overhead":
            found = measure["difference"]
        elif self.row == "events":
            found = measure["differences"].get(self.of)
        elif self.of in measure.get("tools", {}):
            found = measure["tools"][self.of]
        else:
            peak = measure["figures"].get("peaks_mb", {}).get(self.of)
            found = {"median": peak}
        return found if found and found.get("median") is not None else None


@dataclass(frozen=True)
class FlatTarget:
    """How a figure stands at the end of the day of rebuilds: the median of the last quarter of the builds over that of
    the second, when what is kept has come to its size."""

    what: str
    of: str
    most: float

    def verdicts(self, measures: list[Measure]) -> list[Verdict]:
        target = f"≤ {self.most:g} ×"
        measure = find(measures, "rebuilds", REBUILT, "loopback")
        values = measure["figures"].get("builds", {}).get(self.of, []) if measure else []
        quarter = len(values) // 4
        before = statistics.median(values[quarter:2 * quarter]) if quarter else 0
        if not before:
            return [Verdict(self.what, "loopback", target, NOT_MEASURED, "", None)]
        ratio = round(statistics.median(values[-quarter:]) / before, 2)
        return [Verdict(self.what, "loopback", target, f"{ratio} ×", "", ratio <= self.most)]


def find(measures: list[Measure], row: str, context: str | None, setting: str) -> Measure | None:
    wanted = (row, context, setting)
    return next((one for one in measures if (one["row"], one["context"], one["setting"]) == wanted), None)


def both(loopback: float, far: float) -> dict[str, float]:
    return {"loopback": loopback, "far": far}


TARGETS: list[RatioTarget | GroupTarget | LimitTarget | FlatTarget] = [
    RatioTarget("connect to first exec", "connect", None, {}, both(3, 1.6)),
    RatioTarget("whole job, a", "whole", "a", both(3.5, 2.6), both(2.2, 1.5)),
    RatioTarget("whole job, a, on a runner that is up", "ready", "a", both(3.5, 2.6), both(2.2, 1.5)),
    RatioTarget("context there, connect included, b", "context", "b", both(1.6, 1.7), both(1.3, 1.3)),
    RatioTarget("context there, connect included, c", "context", "c", both(1.6, 1.7), both(1.3, 1.3)),
    RatioTarget("whole job, b", "whole", "b", both(1.35, 1.45), both(1.2, 1.25)),
    RatioTarget("whole job, c", "whole", "c", both(1.35, 1.45), both(1.2, 1.25)),
    RatioTarget("whole job, b, from a base image 200 ms away", "base", "b", {}, {"loopback": 1.2}),
    RatioTarget("context there, connect included, e", "context", "e", {}, both(1.3, 1.5)),
    RatioTarget("context there, connect included, d", "context", "d", {}, both(1, 1)),
    LimitTarget("own overhead beyond solve, bytes and round trips", "overhead", "a", 40, "ms", ("loopback", "far")),
    *(LimitTarget(f"peak memory of lian-build, {name}", "memory", name, 40, "MB", of="lian-build") for name in "abcde"),
    LimitTarget("peak memory of lian-build, 10,000 files", "growth", "files-10000", 40, "MB", of="lian-build"),
    LimitTarget("peak memory of lian-build, 100,000 files", "growth", "files-100000", 80, "MB", of="lian-build"),
    LimitTarget("peak memory of lian-build, 10 MB of log", "log", "log-10", 40, "MB", of="lian-build"),
    LimitTarget("peak memory of lian-build, 100 MB of log", "log", "log-100", 40, "MB", of="lian-build"),
    LimitTarget("events with a dead broker, against none", "events", "a", 0, "ms", of="dead broker"),
    LimitTarget("events with a hung broker, against none", "events", "a", 0, "ms", of="hung broker"),
    GroupTarget("second build, f, nothing changed, against a registry cache", "again", "f", REGISTRY_CACHE, 2),
    GroupTarget("second build, f, one file changed, against a registry cache", "changed", "f", REGISTRY_CACHE, 30),
    GroupTarget("second build, f, nothing changed, against carried caches", "again", "f", CARRIED, 5),
    GroupTarget("second build, f, one file changed, against carried caches", "changed", "f", CARRIED, 4),
    GroupTarget("second build, f, nothing changed, against the persistent builder", "again", "f", PERSISTENT, most=1.5),
    GroupTarget(
        "second build, f, one file changed, against the persistent builder", "changed", "f", PERSISTENT, most=1.15),
    GroupTarget("second build, g, nothing changed, against the best ephemeral peer", "again", "g", REGISTRY_CACHE, 2),
    GroupTarget(
        "second build, g, one file changed, against the best ephemeral peer", "changed", "g", REGISTRY_CACHE, 3),
    *(
        GroupTarget(f"context there again, h, {what}, against the best peer", row, "h", CONTEXT_PEERS, 2, setting="far")
        for row, what in (("again-context", "nothing changed"), ("changed-context", "one file changed"))
    ),
    LimitTarget("clone and keep of a gigabyte of state", "volume", "state-1000", 400, "ms", of="clone and keep"),
    GroupTarget("cold build with volumes on, against off", "cold", "g", ("volumes off",), most=1.05),
    *(
        FlatTarget(f"{what}, last builds of a day against earlier ones", of, 1.1)
        for what, of in (
            ("time of a rebuild", "ms"), ("disk of the orchestrator", "disk_mb"),
            ("memory of the orchestrator", "memory_mb"), ("descriptors of the orchestrator", "descriptors"))
    ),
    LimitTarget(
        "runner on a cluster, spawn to first exec, image on the member", "cluster", "there", 3000, "ms",
        of="lian-orchestrator"),
    LimitTarget(
        "runner on a cluster, spawn to first exec, from standby", "cluster", "standby", 500, "ms", of="lian-orchestrator"),
    LimitTarget("start-up, --version", "startup", "version", 15, "ms", of="lian-build"),
    LimitTarget("start-up of lian-cloacina, --version", "startup", "lian-cloacina", 15, "ms", of="lian-cloacina"),
    GroupTarget(f"pack a package on one core, against {BY_HAND}", "pack", "one-core", (BY_HAND,), most=1.1),
    GroupTarget(f"pack a package on two cores, against {BY_HAND}", "pack", "two-cores", (BY_HAND,), least=1),
    LimitTarget(
        "peak memory of lian-cloacina, an archive of 100 MB", "memory", "archive", 60, "MB", of="lian-cloacina"),
    LimitTarget("integrate with secrets and directives", "startup", "integrate", 30, "ms", of="lian-build"),
]


def verdicts(measures: list[Measure]) -> list[Verdict]:
    return [verdict for target in TARGETS for verdict in target.verdicts(measures)]
