"""The tables that are made of results.json: for the terminal, and as Markdown between marks in the documents.

    python3 -m bench.tables NAME [FILE]                prints a table
    python3 -m bench.tables --update DOCUMENT…         writes the tables between their marks
    python3 -m bench.tables --check DOCUMENT…          exit status 1 where a document says otherwise than results.json

A document marks the place of a table with `<!-- bench NAME -->` and `<!-- /bench -->`, NAME one of the tables below.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.second_tools import CARRIED, COLD, CONTEXT_PEERS, PERSISTENT, WARM
from bench.targets import find, verdicts

RESULTS = Path(__file__).with_name("results.json")
Results = dict[str, Any]
Rows = list[list[str]]

ROW_NAMES = {
    "connect": "connect to first exec", "whole": "whole job", "ready": "whole job, runner up",
    "base": "whole job, runner up, far base image", "context": "context there", "startup": "start-up",
    "dry-run": "dry run", "overhead": "own overhead", "events": "events",
    "again": "second build, nothing changed", "changed": "second build, one file changed",
    "again-context": "context there again, nothing changed", "changed-context": "context there again, one file changed",
    "volume": "warm build", "cold": "cold build", "cluster": "runner on a cluster", "pack": "pack a package",
}
MET = {True: "met", False: "missed", None: "–"}


def targets(results: Results) -> Rows:
    return [["", "setting", "target", "measured", "spread", ""]] + [
        [one.what, one.setting, one.target, one.measured, one.spread, MET[one.met]]
        for one in verdicts(results["measures"])
    ]


def comparisons(results: Results) -> Rows:
    """Every tool's median, and how many times as long as ours it took."""
    rows = [["", "context", "setting", "tool", "median ms", "range", "× ours", "spread"]]
    for measure in results["measures"]:
        for name, tool in measure.get("tools", {}).items():
            ratio = measure.get("ratios", {}).get(name)
            rows.append([
                ROW_NAMES.get(measure["row"], measure["row"]), measure["context"] or "", measure["setting"], name,
                str(tool["median"]) if "median" in tool else f"failed: {tool['failures'][0]}",
                f"{tool['low']} – {tool['high']}" if "median" in tool else "",
                str(ratio["median"]) if ratio else "", f"{ratio['low']} – {ratio['high']}" if ratio else "",
            ])
        for name, why in measure.get("absent", {}).items():
            rows.append([
                ROW_NAMES.get(measure["row"], measure["row"]), measure["context"] or "", measure["setting"], name,
                why, "", "", ""])
    return rows


def ratios(results: Results) -> Rows:
    """The short one: how many times as long the plain script and the best peer took."""
    rows = [["", "setting", "lian-build", "plain script", "best peer"]]
    for measure in results["measures"]:
        if measure["row"] in ("connect", "whole", "ready", "base", "context") and measure.get("best"):
            ours = next(tool for name, tool in measure["tools"].items() if name not in measure["ratios"])
            plain, best = measure["plain"], measure["best"]
            name = ROW_NAMES[measure["row"]] + (f", {measure['context']}" if measure["context"] else "")
            rows.append([
                name, measure["setting"], f"{ours['median']:.0f} ms",
                f"{measure['ratios'][plain]['median']} ×" if plain else "",
                f"{measure['ratios'][best]['median']} × ({best})"])
    return rows


# The README's rows, in words: which measure, and how a reader who knows nothing of contexts would name it.
IN_WORDS = {
    ("changed", "f"): "a C project of 300 files again, one file changed",
    ("again", "f"): "the same again, nothing changed",
    ("connect", None): "connect to a runner and start a command",
    ("whole", "a"): "a whole first build of 3 small files",
}


def in_words(results: Results) -> Rows:
    """The ratios of those measures, near and far in one row."""
    rows = [["near / far", "lian-build", "plain script", "best peer"]]
    for (row, context), name in IN_WORDS.items():
        measures = [
            one for setting in ("loopback", "far") if (one := find(results["measures"], row, context, setting))
            and one["plain"] and one["best"]
        ]
        ours = [next(tool for name, tool in one["tools"].items() if name not in one["ratios"]) for one in measures]
        if measures:
            rows.append([name, " / ".join(f"{tool['median']:.0f}" for tool in ours) + " ms"] + [
                " / ".join(str(one["ratios"][one[peer]]["median"]) for one in measures) + " ×"
                for peer in ("plain", "best")])
    return rows


def second(results: Results) -> Rows:
    """The second builds: how many times as long as the warm one the fastest of each group took."""
    groups = {
        "registry cache": CONTEXT_PEERS, "carried cache": CARRIED, "persistent builder": PERSISTENT,
        "lian-build, cold": (COLD,),
    }
    rows = [["", "context", "setting", WARM, *groups]]
    for measure in results["measures"]:
        if measure["row"] in ("again", "changed", "again-context", "changed-context"):
            tools = measure["tools"]
            rows.append([
                ROW_NAMES[measure["row"]], measure["context"], measure["setting"],
                f"{tools[WARM]['median']:.0f} ms" if "median" in tools[WARM] else "failed",
                *(fastest(measure, names) for names in groups.values())])
    return rows


def fastest(measure: dict[str, Any], names: tuple[str, ...]) -> str:
    there = [name for name in names if name in measure["ratios"]]
    if not there:
        return ""
    best = min(there, key=lambda name: float(measure["tools"][name]["median"]))
    ratio = f"{measure['ratios'][best]['median']} ×"
    return f"{ratio} ({best})" if len(names) > 1 else ratio


def growth(results: Results) -> Rows:
    """Time and memory of each process, by size."""
    rows = [["", "total ms", "context there ms", "peak MB"]]
    for measure in results["measures"]:
        if measure["row"] in ("memory", "growth", "log"):
            figures = measure["figures"]
            peaks = ", ".join(f"{name} {peak}" for name, peak in figures.get("peaks_mb", {}).items())
            rows.append([
                measure["about"], str(figures.get("total_ms", "failed")), str(figures.get("context_ms", "")),
                peaks or str(measure["failure"])])
    return rows


def orchestrator(results: Results) -> Rows:
    return cases(results, "orchestrator")


def rebuilds(results: Results) -> Rows:
    return cases(results, "rebuilds")


def crowd(results: Results) -> Rows:
    return cases(results, "crowd")


def cases(results: Results, row: str) -> Rows:
    rows = [["", ""]]
    for measure in results["measures"]:
        if measure["row"] == row:
            for case in measure["figures"]["cases"]:
                facts = [f"{name} {value}" for name, value in case.items() if name != "case"]
                rows.append([case["case"], ", ".join(facts)])
    return rows


def run(results: Results) -> Rows:
    """What the figures were taken on."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rows = [
        ["", ""], ["form", results["form"]], ["processor", f"{machine['cpu']}, {machine['cores']} cores"],
        ["memory", f"{machine['memory_gb']} GB"], ["system", f"{machine['system']}, Linux {machine['kernel']}"],
        ["load at the start", str(machine["load"])], ["folders", machine["folders"]],
        ["engine", str(machine["engine"])], ["versions", versions],
    ]
    rows += [[f"setting {name}", text] for name, text in results["settings"].items()]
    return rows + [["note", note] for note in results["notes"]]


TABLES = {
    "targets": targets, "comparisons": comparisons, "ratios": ratios, "in-words": in_words, "growth": growth,
    "orchestrator": orchestrator, "second": second, "rebuilds": rebuilds, "crowd": crowd, "run": run,
}


def as_markdown(rows: Rows) -> str:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_text(rows: Rows) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


PLACE = re.compile(r"(<!-- bench (\S+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def with_tables(document: str, results: Results) -> str:
    def table(place: re.Match[str]) -> str:
        return f"{place[1]}{as_markdown(TABLES[place[2]](results))}\n{place[3]}"
    return PLACE.sub(table, document)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m bench.tables", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=TABLES, help="the table to print")
    parser.add_argument("file", nargs="?", type=Path, default=RESULTS, help="the results; bench/results.json")
    parser.add_argument("--update", nargs="+", type=Path, metavar="DOCUMENT", default=[])
    parser.add_argument("--check", nargs="+", type=Path, metavar="DOCUMENT", default=[])
    options = parser.parse_args()
    results = json.loads(options.file.read_text())
    if options.name:
        print(as_markdown(TABLES[options.name](results)))
    for document in options.update:
        document.write_text(with_tables(document.read_text(), results))
    stale = [path for path in options.check if with_tables(path.read_text(), results) != path.read_text()]
    for path in stale:
        print(f"{path} differs from bench/results.json: python3 -m bench.tables --update {path}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
