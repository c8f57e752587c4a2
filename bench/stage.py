"""What every tool works with: the reference orchestrator with its engine, a registry, and runners that are up already.

All of it stands on the far side of a setting.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import BenchFailure, daemon, eventually, free_port
from bench.settings import Setting

TOKEN = "bench-token"
# First builds are measured without volumes: every job is another workspace's, and what is kept of it serves nobody.
NO_VOLUMES = ("--volumes", "none")
VOLUMES = ("--volumes", "auto")


@dataclass
class Stage:
    setting: Setting
    folder: Path
    binaries: Path
    orchestrator: str
    engine: str
    # The orchestrator's process.
    process: int
    registry: str
    key: Path
    public_key: str
    ready_runners: "ReadyRunners"

    @property
    def state(self) -> Path:
        return self.folder / "s"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What the orchestrator of ready runners answers, asked from the far side."""
        command = [
            *self.setting.far, "curl", "-sS", "--fail-with-body", "-X", method, "-H", f"Authorization: Bearer {TOKEN}",
            "-H", "Content-Type: application/json", "--data", json.dumps(body), f"{self.ready_runners.address}{path}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchFailure(f"{method} {path}: {done.stdout or done.stderr}")
        return json.loads(done.stdout)["data"]

    @contextmanager
    def runner(self, **more: Any) -> Iterator[dict[str, Any]]:
        """A runner that is up, for this block."""
        self.ready_runners.prepare(**more)
        runner = self.call("POST", "/api/v1/runners", {"workspace": "bench"})
        try:
            yield runner
        finally:
            self.call("DELETE", f"/api/v1/runners/{runner['runner_id']}")


class ReadyRunners:
    """An orchestrator whose runners are up, engine and all, when they are asked for (see ready_runners.py)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        text = self.process.stdout.readline().strip()
        if not text or text.startswith("error"):
            raise BenchFailure(f"no runner could be made ready: {text}")
        return text

    def prepare(self, **more: Any) -> None:
        """More is said in the spawn request as it is given here."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(more)}\n")
        self.process.stdin.flush()
        self.line()


@contextmanager
def stage(
    setting: Setting, folder: Path, binaries: Path, capacity: int = 16, path: str = "",
    volumes: tuple[str, ...] = NO_VOLUMES,
) -> Iterator[Stage]:
    """Gone afterwards, with all runners and all files. The path is put before PATH for the engine."""
    folder.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(unmount_below, folder)
        registry = f"127.0.0.1:{free_port()}"
        (folder / "registry.yml").write_text(
            f"version: 0.1\nlog: {{ level: error }}\nhttp: {{ addr: {registry} }}\n"
            f"storage: {{ filesystem: {{ rootdirectory: {folder}/registry }} }}\n")
        stack.enter_context(daemon(
            [*setting.far, "docker-registry", "serve", f"{folder}/registry.yml"], folder / "registry.log"))
        token = folder / "token"
        token.write_text(TOKEN)
        address, process = stack.enter_context(orchestrator(
            setting, folder, binaries, "--token-file", str(token), "--capacity", str(capacity), *volumes, path=path))
        eventually(lambda: fetch(setting, f"http://{registry}/v2/") is not None, "the registry")
        health = json.loads(fetch(setting, f"http://{address}/healthz") or "{}")
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
        public_key = Path(f"{key}.pub").read_text().strip()
        ready = stack.enter_context(ready_runners(setting, address, folder, public_key))
        yield Stage(
            setting, folder, binaries, f"http://{address}", health["data"]["engine"], process, registry, key,
            public_key, ready)


@contextmanager
def orchestrator(
    setting: Setting, folder: Path, binaries: Path, *flags: str, path: str = "",
) -> Iterator[tuple[str, int]]:
    """Its ADDR:PORT and its process, for this block; its state is in the folder `s` of that one."""
    command = [*setting.far, str(binaries / "lian-orchestrator"), "--listen", "127.0.0.1:0", "--state", f"{folder}/s",
               "--log", "text", *flags]
    environment = {**os.environ, "PATH": f"{path}{os.environ['PATH']}"}
    with daemon(command, folder / "orchestrator.log", environment) as process:
        listen = folder / "s" / "listen"
        eventually(lambda: listen.exists() and listen.read_text().endswith("\n"), "the orchestrator")
        # What starts it, within its setting, becomes it.
        yield listen.read_text().strip(), process.pid


def unmount_below(folder: Path) -> None:
    """An orchestrator may leave the file system of its volumes mounted for the next one. What cannot be unmounted is
    told by the removal of the run's folder."""
    for place in reversed(mounts_below(folder)):
        subprocess.run(["umount", place])


def mounts_below(folder: Path) -> list[str]:
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]


def fetch(setting: Setting, url: str) -> str | None:
    done = subprocess.run([*setting.far, "curl", "-fsS", url], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


@contextmanager
def ready_runners(setting: Setting, address: str, folder: Path, public_key: str) -> Iterator[ReadyRunners]:
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *setting.far, sys.executable, "-m", "bench.ready_runners", address,
         f"{folder}/s", public_key],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, env=module_environment())
    try:
        yield ReadyRunners(process)
    finally:
        process.terminate()
        process.wait()


def module_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """For a Python of ours that imports this package."""
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}
