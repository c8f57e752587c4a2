"""From the start of a program to the end of its first command on a runner that is up: our library against ssh."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.pairs import Sample, comparison, measure
from bench.processes import run as run_command
from bench.run import Run, say
from bench.stage import Stage

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
    host, port, user = runner["host"], str(runner["port"]), runner["user"]
    known_hosts = stage.folder / "known_hosts"
    known_hosts.write_text(f"[{host}]:{port} {runner['host_keys'][0]}\n")
    ours = [str(stage.binaries / "bench-connect"), host, port, user, str(stage.key), runner["host_keys"][0]]
    ssh = ssh_command(stage.key, known_hosts, port, user)
    # As in peers.sh.
    tuned = [
        "-c", "aes128-gcm@openssh.com", "-o", "KexAlgorithms=curve25519-sha256", "-o",
        "PreferredAuthentications=publickey", "-o", "GSSAPIAuthentication=no", "-o", "Compression=no",
    ]
    return {OURS: ours, PLAIN: [*ssh, host, "true"], "ssh, tuned": [*ssh, *tuned, host, "true"]}


def ssh_command(key: Path, known_hosts: Path, port: str, user: str) -> list[str]:
    return [
        "ssh", "-F", "none", "-T", "-p", port, "-l", user, "-i", str(key), "-o", "IdentitiesOnly=yes",
        "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", f"UserKnownHostsFile={known_hosts}",
        "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes",
    ]


def once(stage: Stage, command: list[str]) -> Callable[[], Sample]:
    def do() -> Sample:
        done = run_command([*stage.setting.near, *command])
        if done.status != 0:
            return Sample(None, f"exit {done.status}: {done.errors.strip()}")
        return Sample(done.seconds * 1000)
    return do
