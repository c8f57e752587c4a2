"""From the start of a program to the end of its first command on a runner that is up: our library against ssh."""

import os
import subprocess
from collections.abc import Callable
from typing import Any

from bench.pairs import Sample, comparison, measure
from bench.processes import run as run_command
from bench.run import Run, say
from bench.stage import Stage
from bench.tools import PEERS

OURS = "lian-build's connection"
PLAIN = "ssh"
ROUNDS = 15


def connect(run: Run) -> None:
    for stage in run.selected_stages("connect"):
        say(f"connect {stage.setting.name}")
        with stage.runner() as runner:
            tools = {name: once(stage, command) for name, command in commands(stage, runner).items()}
            series = measure(tools, 3 if run.quick else ROUNDS, warm_up=True)
        run.add("connect", None, stage.setting.name, **comparison(series, OURS, PLAIN))


def commands(stage: Stage, runner: dict[str, Any]) -> dict[str, list[str]]:
    host, port, user, host_key = runner["host"], str(runner["port"]), runner["user"], runner["host_keys"][0]
    (stage.folder / "known_hosts").write_text(f"[{host}]:{port} {host_key}\n")
    return {
        OURS: [str(stage.binaries / "bench-connect"), host, port, user, str(stage.key), host_key],
        PLAIN: [*ssh(stage, port, user), host, "true"],
        "ssh, tuned": [*ssh(stage, port, user, "tuned"), host, "true"],
    }


def ssh(stage: Stage, *arguments: str) -> list[str]:
    """As the peers call it."""
    environment = {**os.environ, "KEY": str(stage.key), "SCRATCH": str(stage.folder)}
    command = ["bash", PEERS, "ssh", *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def once(stage: Stage, command: list[str]) -> Callable[[], Sample]:
    def do() -> Sample:
        done = run_command([*stage.setting.near, *command])
        if done.status != 0:
            return Sample(None, f"exit {done.status}: {done.errors.strip()}")
        return Sample(done.seconds * 1000)
    return do
