"""The four pictures that are made of results.json: docs/images/bench-NAME.svg.

    python3 -m bench.pictures            draws them
    python3 -m bench.pictures --check    exit status 1 where one is not of the results; draws nothing
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from bench.second_tools import WARM
from bench.tables import RESULTS
from bench.targets import NOT_MEASURED, REBUILT, Measure, find
from bench.tools import OURS

FOLDER = RESULTS.parent.parent / "docs/images"
Results = dict[str, Any]

WIDTH, MARGIN, GAP = 820, 24, 28
BAR, LINE = 22, 18
STYLE = (
    "text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1c2733;"
    # Legible also where a line runs below it.
    "paint-order:stroke;stroke:#fbfcfd;stroke-width:3px}"
    ".title{font-size:16px;font-weight:600}.head{font-weight:600}.less{fill:#5b6b80}.right{text-anchor:end}"
    ".ours{fill:#2f7d4f}.peer{fill:#b7c2cf}.line{fill:none;stroke:#2f7d4f;stroke-width:1.6}"
    ".axis{stroke:#d3dae2}.limit{stroke:#b4532a;stroke-dasharray:4 3}")


class Bar(NamedTuple):
    label: str
    value: float
    text: str
    is_ours: bool


class Picture:
    """Grows downwards, under its title and the one sentence that says how to read it."""

    def __init__(self, title: str, reading: str) -> None:
        self.title = title
        self.parts: list[str] = []
        self.height = 34
        self.text(MARGIN, self.height, title, "title")
        self.height += 22
        self.text(MARGIN, self.height, reading, "less")
        self.height += 14

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        kinds = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{kinds}>{escape(text)}</text>')

    def rule(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def columns(self, cells: Iterable[Callable[[float, float, float], float]]) -> None:
        """Side by side, each drawn from its corner on with its width; each says how high it became."""
        drawn = list(cells)
        width = (WIDTH - 2 * MARGIN - GAP * (len(drawn) - 1)) / len(drawn)
        top = self.height + 12
        self.height = top + max(
            draw(MARGIN + index * (width + GAP), top, width) for index, draw in enumerate(drawn))

    def bars(
        self, heading: str, bars: list[Bar], label_width: float = 150, limit: tuple[float, str] | None = None,
    ) -> Callable[[float, float, float], float]:
        """The longest fills the width that labels and texts leave."""
        def draw(x: float, y: float, width: float) -> float:
            self.text(x, y + 12, heading, "head")
            if not bars:
                self.text(x, y + 12 + LINE, NOT_MEASURED, "less")
                return 12 + 2 * LINE
            room = width - label_width - 110
            scale = room / max([bar.value for bar in bars] + ([limit[0]] if limit else []))
            top = y + 22
            end = top + len(bars) * BAR
            if limit:
                at = x + label_width + limit[0] * scale
                self.rule(at, top, at, end, "limit")
                self.text(at + 5, end + 10, limit[1], "less")
            for index, bar in enumerate(bars):
                at = top + index * BAR
                self.text(x + label_width - 8, at + 14, bar.label, "right" if bar.is_ours else "right less")
                self.parts.append(
                    f'<rect x="{x + label_width:.1f}" y="{at + 3:.1f}" width="{max(1, bar.value * scale):.1f}" '
                    f'height="{BAR - 7}" rx="2" class="{"ours" if bar.is_ours else "peer"}"/>')
                self.text(x + label_width + bar.value * scale + 6, at + 14, bar.text)
            return end - y + (LINE if limit else 0)
        return draw

    def course(self, heading: str, values: list[float], unit: str) -> Callable[[float, float, float], float]:
        """A line from the first build to the last, above zero."""
        def draw(x: float, y: float, width: float) -> float:
            self.text(x, y + 12, heading, "head")
            if len(values) < 2:
                self.text(x, y + 12 + LINE, NOT_MEASURED, "less")
                return 12 + 2 * LINE
            top, height = y + 22, 90
            most = max(values) or 1
            step = width / (len(values) - 1)
            points = " ".join(
                f"{x + index * step:.1f},{top + height * (1 - value / most):.1f}" for index, value in enumerate(values))
            self.text(x + width, y + 12, f"at most {figure(most)} {unit}".strip(), "right less")
            self.rule(x, top + height, x + width, top + height, "axis")
            self.parts.append(f'<polyline points="{points}" class="line"/>')
            self.text(x, top + height + 16, f"first {figure(values[0])}", "less")
            self.text(x + width, top + height + 16, f"last {figure(values[-1])}", "right less")
            return height + 22 + 20
        return draw

    def svg(self) -> str:
        height = round(self.height + MARGIN)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img">',
            f"<title>{escape(self.title)}</title>", f"<style>{STYLE}</style>",
            '<rect x="0.5" y="0.5" width="99.9%" height="99.7%" rx="8" fill="#fbfcfd" stroke="#d3dae2"/>',
            *self.parts, "</svg>", ""])


def second(results: Results) -> Picture:
    picture = Picture(
        "The second build, by tool",
        "A C project of 300 files on a runner that knows nothing. Shorter is faster; × says how many times as long.")
    for row, heading in (("again", "nothing changed"), ("changed", "one file changed")):
        measure = find(results["measures"], row, "f", "loopback")
        picture.columns([picture.bars(heading, by_tool(measure), label_width=250)])
    return picture


def by_tool(measure: Measure | None) -> list[Bar]:
    """All that did not fail, the fastest first."""
    tools = measure["tools"] if measure else {}
    bars = []
    for name in sorted((name for name in tools if "median" in tools[name]), key=lambda name: tools[name]["median"]):
        ratio = measure["ratios"].get(name) if measure else None
        text = duration(tools[name]["median"]) + (f" ({ratio['median']:g} ×)" if ratio else "")
        bars.append(Bar(name, tools[name]["median"], text, name == WARM))
    return bars


FIRST = {"a": "3 small files", "b": "5,000 files, 60 MB", "c": "50,000 files, a tenth of them sent"}


def first(results: Results) -> Picture:
    picture = Picture(
        "The first build, from the start of the program to its end",
        "Beside the script as one writes it first, and the fastest other way. Each group has a scale of its own.")
    for context, what in FIRST.items():
        picture.columns(
            picture.bars(f"{what}, {where}", beside(find(results["measures"], "whole", context, setting)))
            for setting, where in (("loopback", "near"), ("far", "20 ms away")))
    return picture


def beside(measure: Measure | None) -> list[Bar]:
    if measure is None:
        return []
    names = dict.fromkeys(name for name in (OURS, measure["plain"], measure["best"]) if name)
    return [
        Bar(name, measure["tools"][name]["median"], duration(measure["tools"][name]["median"]), name == OURS)
        for name in names if "median" in measure["tools"].get(name, {})]


def memory(results: Results) -> Picture:
    picture = Picture(
        "The memory that lian-build takes at most",
        "One build each, by what was sent and by how much was logged.")
    peaks = [
        Bar(measure["about"], peak, f"{peak:g} MB", is_ours=True) for measure in results["measures"]
        if measure["row"] in ("growth", "log") or (measure["row"], measure["context"]) == ("memory", "d")
        if (peak := measure["figures"].get("peaks_mb", {}).get(OURS))]
    picture.columns([picture.bars("by context and log", peaks, label_width=230, limit=(40, "target: 40 MB"))])
    return picture


def day(results: Results) -> Picture:
    measure = find(results["measures"], "rebuilds", REBUILT, "loopback")
    builds = measure["figures"].get("builds", {}) if measure else {}
    count = f"{len(builds['ms'])} builds" if builds else "240 builds"
    picture = Picture(
        f"A day of rebuilds: {count} on one orchestrator",
        "Each after another file was changed, each on a new runner that begins with the volume of the one before.")
    courses = [
        picture.course(heading, builds.get(name, []), unit) for name, heading, unit in (
            ("ms", "the whole build", "ms"), ("disk_mb", "the orchestrator's disk", "MB"),
            ("memory_mb", "its memory", "MB"), ("descriptors", "its open descriptors", ""))]
    picture.columns(courses[:2])
    picture.columns(courses[2:])
    return picture


def duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def figure(value: float) -> str:
    return f"{value:,.0f}"


PICTURES = {"second": second, "first": first, "memory": memory, "day": day}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m bench.pictures", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="say whether they are of the results")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    stale = []
    for name, draw in PICTURES.items():
        path, svg = options.folder / f"bench-{name}.svg", draw(results).svg()
        if not options.check:
            path.write_text(svg)
        elif not path.exists() or path.read_text() != svg:
            stale.append(path)
    for path in stale:
        print(f"{path} is not of {options.results}: just pictures-bench draws it anew", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
