"""The tools of the second builds, in which each finds what its build before left: in the registry, in a folder of its
own, on a builder that stays up, or on a volume."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.tools import PLAIN, Job, Outcome, Tool, build_by_ours, named, peer, without_buildctl, without_buildx

WARM = "lian-build, warm"
WARM_NO_EXPORT = "lian-build, warm, --cache-export cold"
COLD = "lian-build, cold"
WITHOUT_VOLUME = ("--volume", "off")
TUNED = {"f": "tar", "g": "tar", "h": "tar, zstd"}
REGISTRY_CACHE = (PLAIN, *sorted(set(TUNED.values())))
# All of the ephemeral ones that tell when the context is there; those of whole builds are among them.
CONTEXT_PEERS = (PLAIN, "one connection", "one connection, zstd", "tar", "tar, zstd")
CARRIED = ("carried cache",)
PERSISTENT = ("persistent, buildctl ssh://", "persistent, buildx remote")


def build_on_volume(*flags: str) -> Callable[[Job], Outcome]:
    """A build whose volume is kept. Whether it found one is told by the outcome."""
    def build(job: Job) -> Outcome:
        return checked(build_by_ours(replace(job, flags=(*job.flags, *flags))), not_kept)
    return build


def build_warm(*flags: str) -> Callable[[Job], Outcome]:
    """What was not warm was another measurement, so it fails."""
    def build(job: Job) -> Outcome:
        return checked(build_on_volume(*flags)(job), not_warm)
    return build


def checked(outcome: Outcome, problem: Callable[[dict[str, Any]], str | None]) -> Outcome:
    return outcome if outcome.failure else replace(outcome, failure=problem(outcome.volume or {}))


def not_kept(volume: dict[str, Any]) -> str | None:
    if volume.get("kept") is True:
        return None
    return f"its volume was not kept: {volume or 'the envelope tells of none'}"


def not_warm(volume: dict[str, Any]) -> str | None:
    return None if volume.get("state") == "warm" else f"this was no warm build: {volume}"


def build_cold(job: Job) -> Outcome:
    return build_by_ours(replace(job, flags=(*job.flags, *WITHOUT_VOLUME)))


def first_build(tool: Tool) -> Callable[[Job], Outcome]:
    """What has to be done before the second build of a tool."""
    return {WARM: build_on_volume(), WARM_NO_EXPORT: build_on_volume()}.get(tool.name, tool.do)


OURS = [
    Tool(WARM, "lian-build as it is", build_warm(), is_ours=True),
    Tool(WARM_NO_EXPORT, "the same, without a registry cache's export", build_warm("--cache-export", "cold"),
         is_ours=True),
    Tool(COLD, "lian-build --volume off", build_cold, is_ours=True),
]
PERSISTENT_PEERS = [
    peer(PERSISTENT[0], "builder-buildctl", "buildctl here, an engine that stays up there", absence=without_buildctl,
         tells_context=False),
    peer(PERSISTENT[1], "builder-buildx", "the same by docker buildx", absence=without_buildx, tells_context=False),
]
CARRIED_PEER = peer(
    CARRIED[0], "carried-cache", "tar, and the cache mount carried in and out", absence=without_buildctl,
    tells_context=False)


def whole_tools(context: str) -> list[Tool]:
    """The tuned ephemeral peer is the one that is fastest with such a context."""
    return [*OURS, *named(PLAIN, TUNED[context]), *([CARRIED_PEER] if context == "f" else []), *PERSISTENT_PEERS]


def context_tools() -> list[Tool]:
    # Whether the cache is exported comes later.
    return [*(tool for tool in OURS if tool.name != WARM_NO_EXPORT), *named(*CONTEXT_PEERS)]
