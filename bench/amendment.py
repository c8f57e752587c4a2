"""A run of some rows taken into the results of another run: what takes hours as a whole can be measured in parts. Both
runs are of one machine with the same programs, so that their figures stand side by side."""

import json
from pathlib import Path
from typing import Any

from bench.processes import BenchFailure

Results = dict[str, Any]
# They differ from one run to the next, and which engine it was is told by the versions.
PASSING = ("load", "engine")


def read_for(path: Path, form: str, machine: dict[str, Any]) -> Results:
    """The results that are to be amended; a BenchFailure where they were measured on something else."""
    results: Results = json.loads(path.read_text())
    differences = [
        f"{name} was {results['machine'].get(name)} there and is {value} here"
        for name, value in machine.items() if name not in PASSING and results["machine"].get(name) != value
    ]
    if results["form"] != form:
        differences.append(f"that run was {results['form']}, and this one is {form}")
    if differences:
        raise BenchFailure(f"{path} is of another machine or form: {'; '.join(differences)}")
    return results


def amended(results: Results, run: Results) -> Results:
    """Of what both have measured the later is kept."""
    again = {key(measure) for measure in run["measures"]}
    return {
        **results,
        "settings": {**results["settings"], **run["settings"]},
        "notes": list(dict.fromkeys([*results["notes"], *run["notes"]])),
        "measures": [one for one in results["measures"] if key(one) not in again] + run["measures"],
    }


def key(measure: dict[str, Any]) -> tuple[str, str | None, str | None]:
    return measure["row"], measure["context"], measure["setting"]
