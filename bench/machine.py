"""The machine that a run was made on: what the figures depend on, and nothing that names it."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any


def machine(engine: str | None) -> dict[str, Any]:
    return {
        "cpu": field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int((field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1024 / 1024),
        "kernel": platform.release().split("-")[0],
        "system": system(),
        "load": round(os.getloadavg()[0], 1),
        "engine": engine,
        "versions": {
            name: version for name, version in (
                ("ssh", said(["ssh", "-V"], r"OpenSSH_([\w.]+)")),
                ("rsync", said(["rsync", "--version"], r"version ([\w.]+)")),
                ("curl", said(["curl", "--version"], r"curl ([\w.]+)")),
                ("zstd", said(["zstd", "--version"], r"v([\w.]+)")),
                ("docker-registry", said(["docker-registry", "--version"], r"([0-9][\w.]+)")),
                ("nats-server", said(["nats-server", "--version"], r"([0-9][\w.]+)")),
                ("buildkit", said(["buildkitd", "--version"], r"(v[0-9][\w.]+)")),
                ("dockerd", said(["dockerd", "--version"], r"([0-9][\w.]+)")),
            ) if version
        },
    }


def field(file: str, name: str) -> str | None:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def system() -> str:
    try:
        release = Path("/etc/os-release").read_text()
    except OSError:
        return platform.system()
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
    return match.group(1) if match else platform.system()


def said(command: list[str], pattern: str) -> str | None:
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True)
    match = re.search(pattern, done.stdout + done.stderr)
    return match.group(1) if match else None
