"""The tools that are compared: each does the same build job and tells how long it took.

What the peers do stands in peers.sh.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contexts import Context
from bench.processes import Finished, last_line, run
from bench.stage import TOKEN, Stage, module_environment

OURS = "lian-build"
PLAIN = "plain script"
PEERS = str(Path(__file__).with_name("peers.sh"))


@dataclass(frozen=True)
class Home:
    """What the builds of one tool have in common, where each is to find what the one before left."""

    workspace: str
    # For what the tool itself takes from one build to the next.
    folder: Path
    # A runner that stays up between its builds.
    builder: dict[str, Any] | None = None


@dataclass(frozen=True)
class Job:
    """A build to do, in names that are used once, or in those of its home."""

    stage: Stage
    context: Context
    dockerfile: str = "Dockerfile"
    # Whether the runner and its engine are up before the clock runs.
    ready_runner: bool = False
    # Whether a tool that can may leave once the context is there.
    stop_at_context: bool = False
    watch_memory: bool = False
    progress: str = "quiet"
    # More of lian-build's own.
    flags: tuple[str, ...] = ()
    home: Home | None = None
    seconds: float = 300
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def build(self) -> str:
        return f"bench-{self.number}"

    @property
    def workspace(self) -> str:
        return self.home.workspace if self.home else self.build

    @property
    def image(self) -> str:
        return f"{self.stage.registry}/{self.workspace}/app:1"

    @property
    def orchestrator(self) -> str:
        return self.stage.ready_runners.address if self.ready_runner else self.stage.orchestrator

    @property
    def cache_options(self) -> str:
        return ",mode=max,ignore-error=true" if self.stage.engine == "buildkit" else ",ignore-error=true"


@dataclass(frozen=True)
class Outcome:
    """How long the whole took, and how long the context from a spawned runner on. A failure says what went wrong."""

    total_ms: float = 0
    context_ms: float | None = None
    failure: str | None = None
    peaks_mb: dict[str, float] = field(default_factory=dict)
    # lian-build's own, of its envelope.
    timings_ms: dict[str, int] = field(default_factory=dict)
    volume: dict[str, Any] | None = None


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    do: Callable[[Job], Outcome]
    # Why it cannot take part, where it cannot.
    absence: Callable[[Stage], str | None] = lambda stage: None
    tells_context: bool = True
    compresses: bool = False
    # Not one of the peers.
    is_ours: bool = False

    def carries(self, context: str) -> bool:
        """Whether it has a part in the row of contexts. What cannot be compressed is sent by nobody who knows it
        through a compressor; lian-build is not told."""
        return self.tells_context and (context != "d" or not self.compresses)


def build_by_ours(job: Job) -> Outcome:
    command = [
        *job.stage.setting.near, str(job.stage.binaries / "lian-build"), "build", "--progress", job.progress,
        "--workspace", job.workspace, "--context", str(job.context.folder), "--dockerfile", job.dockerfile,
        "--image", job.image, "--ssh-key", str(job.stage.key), "--orchestrator-url", job.orchestrator, *job.flags,
    ]
    done = run(command, our_environment(), watch_memory=job.watch_memory, seconds=job.seconds)
    if done.status != 0:
        return Outcome(failure=failure_of_ours(done))
    envelope = json.loads(done.output)
    timings = envelope["timings_ms"]
    return Outcome(
        done.seconds * 1000, timings["ready"] + timings["sync"], None, done.peaks_mb, timings, envelope.get("volume"))


def our_environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TMPDIR": tempfile.gettempdir(),
        "ORCHESTRATOR_TOKEN": TOKEN,
    }


def failure_of_ours(done: Finished) -> str:
    try:
        error = json.loads(done.output)["error"]
        return f"exit {done.status}: {error['code']}: {error['message']}"
    except (ValueError, TypeError, KeyError):
        return f"exit {done.status}: {last_line(done.errors)}"


def build_by_peer(peer: str) -> Callable[[Job], Outcome]:
    def build(job: Job) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="lb-peer-") as scratch:
            environment = {**os.environ, **job_environment(job), "SCRATCH": scratch}
            done = run([*job.stage.setting.near, "bash", PEERS, peer], environment, seconds=job.seconds)
        stamps = {name: float(at) * 1000 for name, at in (line.split() for line in done.output.splitlines())}
        if done.status != 0 or "failed" in stamps:
            return Outcome(failure=f"exit {done.status}: {last_line(done.errors)}")
        there = stamps["context"] - stamps["spawned"] if "context" in stamps else None
        return Outcome(done.seconds * 1000, there)

    return build


def build_by_floor(job: Job) -> Outcome:
    environment = module_environment({**job_environment(job), "STATE": str(job.stage.state)})
    done = run([*job.stage.setting.far, sys.executable, "-m", "bench.floor"], environment)
    if done.status != 0:
        return Outcome(failure=f"exit {done.status}: {last_line(done.errors)}")
    return Outcome(json.loads(done.output)["deleted"])


def job_environment(job: Job) -> dict[str, str]:
    home = {} if job.home is None else {
        "KEPT": str(job.home.folder), "BUILDER": json.dumps(job.home.builder, separators=(",", ":")),
    }
    return {
        **home, "ORCHESTRATOR": job.orchestrator, "TOKEN": TOKEN, "KEY": str(job.stage.key),
        "PUBLIC_KEY": job.stage.public_key, "CONTEXT": str(job.context.folder), "DOCKERFILE": job.dockerfile,
        "IGNORED": " ".join(job.context.ignored), "WORKSPACE": job.workspace, "BUILD": job.build, "IMAGE": job.image,
        "CACHE": f"{job.stage.registry}/{job.workspace}/cache:cache", "CACHE_OPTIONS": job.cache_options,
        "STOP": "context" if job.stop_at_context else "",
    }


def without_zstd(stage: Stage) -> str | None:
    return None if shutil.which("zstd") else "zstd is not installed"


def without_buildctl(stage: Stage) -> str | None:
    if not shutil.which("buildctl"):
        return "buildctl is not installed"
    return None if stage.engine == "buildkit" else f"the engine is {stage.engine}, which buildctl cannot speak to"


def without_buildx(stage: Stage) -> str | None:
    if subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode != 0:
        return "docker buildx is not installed"
    return without_buildctl(stage)


def peer(name: str, script_name: str, description: str, **more: object) -> Tool:
    return Tool(name, description, build_by_peer(script_name), **more)  # type: ignore[arg-type]


def named(*names: str) -> list[Tool]:
    return [next(tool for tool in TOOLS if tool.name == name) for name in names]


TOOLS = [
    Tool(OURS, "lian-build", build_by_ours, is_ours=True),
    peer(PLAIN, "plain", "curl, ssh, rsync over ssh, ssh buildctl"),
    peer("one connection", "one-connection", "the same by ControlMaster, aes128-gcm, no probe, rsync -W --inplace"),
    peer("one connection, zstd", "one-connection-zstd", "the same, rsync with zstd level 1", compresses=True),
    peer("tar", "tar", "tar over ssh, unpacked and built by one command"),
    peer("tar, zstd", "tar-zstd", "the same, through zstd -1", absence=without_zstd, compresses=True),
    peer("buildctl ssh://", "buildctl-ssh", "buildctl here, the engine there", absence=without_buildctl,
         tells_context=False),
    peer("buildx remote", "buildx-remote", "docker buildx with a remote driver over ssh://", absence=without_buildx,
         tells_context=False),
]
