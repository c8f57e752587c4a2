"""Measuring side by side: every tool once, A B C, then all again, so that what slows the machine slows all of them.

Single times mean little on a shared machine. What counts is the ratio of two tools in the same round.
"""

import os
import statistics
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# A tool that fails so often is left out of the rounds that are left.
PATIENCE = 2


class Sample(NamedTuple):
    value: float | None
    failure: str | None = None


@dataclass
class Series:
    """One tool's values, round by round; None where it failed."""

    values: list[float | None] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def good(self) -> list[float]:
        return [value for value in self.values if value is not None]

    def is_out(self) -> bool:
        return len(self.failures) >= PATIENCE

    def add(self, sample: Sample) -> None:
        self.values.append(sample.value)
        if sample.failure:
            self.failures.append(sample.failure)


def measure(tools: dict[str, Callable[[], Sample]], rounds: int, warm_up: bool) -> dict[str, Series]:
    """The first rounds of a tool find nothing in the system's caches: a warm-up is not counted."""
    def turn(do: Callable[[], Sample]) -> Sample:
        # What the one before left to be written is not this one's to wait for.
        os.sync()
        return do()

    if warm_up:
        for do in tools.values():
            turn(do)
    series = {name: Series() for name in tools}
    for _ in range(rounds):
        for name, do in tools.items():
            series[name].add(Sample(None) if series[name].is_out() else turn(do))
    return series


def summary(values: Sequence[float], digits: int = 1) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), digits), "low": round(min(values), digits),
        "high": round(max(values), digits), "runs": len(values),
    }


def tool_summary(series: Series) -> dict[str, Any]:
    good = series.good()
    facts = summary(good) if good else {}
    facts["rounds"] = [None if value is None else round(value, 1) for value in series.values]
    return {**facts, "failures": series.failures} if series.failures else facts


def both_good(one: Series, other: Series) -> list[tuple[float, float]]:
    """The rounds in which neither failed."""
    pairs = zip(one.values, other.values, strict=True)
    return [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]


def ratios(ours: Series, theirs: Series) -> dict[str, Any] | None:
    """Theirs over ours, round by round: above 1 is slower than ours."""
    found = [other / mine for mine, other in both_good(ours, theirs) if mine > 0]
    return summary(found, 2) if found else None


def differences(base: Series, other: Series) -> dict[str, Any] | None:
    found = [value - low for low, value in both_good(base, other)]
    return summary(found) if found else None


def comparison(
    series: dict[str, Series], ours: str, plain: str | None, no_peers: Container[str] = (),
) -> dict[str, Any]:
    """All of it as a record: the best peer is the one with the lowest median, the plain script among them."""
    tools = {name: tool_summary(one) for name, one in series.items()}
    against = {name: found for name, one in series.items() if name != ours and (found := ratios(series[ours], one))}
    peers = [name for name in against if name not in no_peers]
    best = min(peers, key=lambda name: tools[name]["median"], default=None)
    return {"unit": "ms", "tools": tools, "ratios": against, "plain": plain if plain in against else None, "best": best}
