"""Runners on a cluster of LXD, three members on this machine: from the request to the first command over SSH, against lxc
and ssh by script; and many builds at once over all members."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.orchestrator_client import Client
from bench.pairs import Sample, comparison, measure
from bench.processes import BenchFailure, eventually, last_line
from bench.processes import run as run_command
from bench.rows.orchestrator import side_by_side
from bench.run import Run, say
from bench.stage import Stage
from bench.stage import orchestrator as serve
from bench.tools import Job, build_by_ours

OURS, PLAIN = "lian-orchestrator", "lxc launch, ssh"
# By the context of the row, which is the name of the provider that makes ours: what the row is about.
RUNNERS = {
    "there": "the image is on the member",
    "away": "the image has to come to the member first",
    "standby": "one waits that has booted; the script's image is on the member",
}
CPU, MEMORY_GB = 1, 1
# One that waits, of the size that is asked for.
STANDBY = {"standby": {"count": 1, "size": {"cpu": CPU, "memory_gb": MEMORY_GB}}}
IMAGE, PROFILE = "lian-runner", "bench"
# The one that single runners are made on, which is not the one that is asked.
MEMBER, ASKED = "c2", "c1"
ROUNDS = 7
CROWD = 10
SCRIPT = Path(__file__).resolve().parents[2] / "scripts/lib/cluster"


@dataclass(frozen=True)
class Cluster:
    folder: Path

    def do(self, command: str, *arguments: str) -> str:
        done = subprocess.run([SCRIPT, command, self.folder, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchFailure(f"cluster {command}: {last_line(done.stderr)}")
        return done.stdout

    def lxc(self, *arguments: str) -> str:
        return self.do("lxc", *arguments)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ, "LXD_DIR": str(self.folder / ASKED), "HOME": str(self.folder), "IMAGE": IMAGE,
            "MEMBER": MEMBER, "ADDRESS": f"{(self.folder / 'network').read_text()}.{MEMBER[1:]}", **more}

    def renew_image(self) -> None:
        """Afterwards it is on the member that was asked, and unpacked on none."""
        self.lxc("image", "delete", IMAGE)
        self.lxc("image", "import", str(self.folder / "runner.tar"), "--alias", IMAGE)


def runners_on_a_cluster(run: Run) -> None:
    wanted = [name for name in RUNNERS if run.takes("cluster", name, "loopback")]
    has_crowd = run.takes("crowd", "a", "loopback")
    if run.is_short or not (wanted or has_crowd):
        return
    if not all(shutil.which(name) for name in ("lxd", "lxc")):
        run.note("nothing was measured on a cluster: lxd is not installed")
        return
    with run.own_stage("cluster") as stage, cluster(stage) as made:
        for name in wanted:
            with served(stage, made, name) as address:
                measure_runners(run, stage, made, address, name)
        if has_crowd:
            with served(stage, made, "crowd") as address:
                measure_crowd(run, replace(stage, orchestrator=f"http://{address}"))


@contextmanager
def cluster(stage: Stage) -> Iterator[Cluster]:
    """Gone afterwards, with all that is on it."""
    # Beside the run's folder: the users of containers do not come through that one.
    with tempfile.TemporaryDirectory(prefix="lc-") as folder:
        made = Cluster(Path(folder))
        try:
            say("making a cluster")
            made.do("make")
            # Where the image is on all members as a file, it never has to come.
            made.lxc("config", "set", "cluster.images_minimal_replica", "1")
            made.do("profile", PROFILE, stage.registry.split(":")[1])
            yield made
        finally:
            made.do("unmake")


@contextmanager
def served(stage: Stage, made: Cluster, row: str) -> Iterator[str]:
    """The address of an orchestrator whose runners are the cluster's."""
    folder = stage.folder / row
    folder.mkdir()
    provider = {
        "name": "cluster", "kind": "lxd", "socket": str(made.folder / ASKED / "unix.socket"), "image": IMAGE,
        "profiles": ["default", PROFILE], **({"members": [MEMBER]} if row in RUNNERS else {}),
        **(STANDBY if row == "standby" else {})}
    configuration = folder / "orchestrator.json"
    configuration.write_text(json.dumps({"providers": [provider]}))
    flags = ["--config", str(configuration), "--token-file", str(stage.folder / "token")]
    with serve(stage.setting, folder, stage.binaries, *flags) as (address, _):
        yield address


def measure_runners(run: Run, stage: Stage, made: Cluster, address: str, name: str) -> None:
    say(f"cluster {name}")
    tools: dict[str, Callable[[], Sample]] = {
        OURS: partial(first_exec, stage, address), PLAIN: partial(by_script, stage, made)}
    if name == "away":
        tools = {tool: partial(with_new_image, made, do) for tool, do in tools.items()}
    if name == "standby":
        tools[OURS] = partial(with_another_standby, address, tools[OURS])
        wait_for_standby(address)
    series = measure(tools, 2 if run.quick else ROUNDS, warm_up=name != "away")
    run.add("cluster", name, "loopback", **comparison(series, OURS, PLAIN), about=RUNNERS[name])


def with_another_standby(address: str, do: Callable[[], Sample]) -> Sample:
    """The next one boots beside nothing that is measured."""
    sample = do()
    wait_for_standby(address)
    return sample


def wait_for_standby(address: str) -> None:
    client = Client(address)
    eventually(lambda: client.overview()["providers"][0]["standby"]["ready"] == 1, "a machine on standby")


def with_new_image(made: Cluster, do: Callable[[], Sample]) -> Sample:
    made.renew_image()
    return do()


def first_exec(stage: Stage, address: str) -> Sample:
    """From the spawn request to the end of a command, which our SSH library runs there."""
    client = Client(address)
    start = time.perf_counter()
    asked = client.ask_for_runner(f"exec-{time.monotonic_ns()}", stage.public_key, CPU, MEMORY_GB << 10)
    try:
        runner = client.wait_until_ready(asked["runner_id"])
        connect = [runner["host"], str(runner["port"]), runner["user"], str(stage.key), runner["host_keys"][0]]
        done = run_command([str(stage.binaries / "bench-connect"), *connect])
        took = (time.perf_counter() - start) * 1000
    finally:
        Client(address).destroy(asked["runner_id"])
    return Sample(took) if done.status == 0 else Sample(None, f"exit {done.status}: {last_line(done.errors)}")


def by_script(stage: Stage, made: Cluster) -> Sample:
    name = f"plain-{time.monotonic_ns()}"
    environment = made.environment(KEY=str(stage.key), PUBLIC_KEY=stage.public_key, PORT="2222")
    try:
        done = run_command(["bash", str(Path(__file__).parents[1] / "lxc.sh"), name], environment, seconds=120)
    finally:
        made.lxc("delete", "--force", name)
    if done.status != 0:
        return Sample(None, f"exit {done.status}: {last_line(done.errors)}")
    return Sample(done.seconds * 1000)


def measure_crowd(run: Run, stage: Stage) -> None:
    say("crowd")
    context = run.contexts.get("a")
    count = 4 if run.quick else CROWD
    totals: list[float] = []
    failures: list[str] = []

    def build() -> None:
        outcome = build_by_ours(Job(stage, context, flags=("--cpu", str(CPU), "--memory-gb", str(MEMORY_GB))))
        if outcome.failure or outcome.total_ms is None:
            failures.append(outcome.failure or "it told no time")
        else:
            totals.append(outcome.total_ms)

    cases = []
    # The first one finds the image on no member.
    for case, builds in (("the first build", 1), ("one build", 1), (f"{count} builds at once", count)):
        totals.clear()
        start = time.perf_counter()
        side_by_side([build] * builds)
        seconds = time.perf_counter() - start
        if failures:
            raise BenchFailure(f"{case}: {failures[0]}")
        cases.append({"case": case, "seconds": round(seconds, 1), "median_ms": round(statistics.median(totals))})
    run.add("crowd", "a", "loopback", about="over three members of a cluster", figures={"cases": cases})
