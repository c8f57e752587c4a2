"""What a run stands on: contexts, runners, their engines and the registry, all of it on both sides.

In memory where there is room. What it takes a disk to create a file differs from machine to machine more than any two
tools do, and a slow one hides all differences between them.
"""

import os
import subprocess

from bench.machine import field

MEMORY = "/dev/shm"
ROOM_GB = 12


def memory_with_room() -> str | None:
    if not os.access(MEMORY, os.W_OK):
        return None
    file_system = os.statvfs(MEMORY)
    if file_system.f_flag & os.ST_NOEXEC:
        return None
    in_it = file_system.f_bavail * file_system.f_frsize
    in_all = int((field("/proc/meminfo", "MemAvailable") or "0 kB").split()[0]) << 10
    return MEMORY if min(in_it, in_all) >= ROOM_GB << 30 else None


def kind(folder: str) -> str:
    command = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", folder]
    # What is mounted last is on top.
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    return "in memory" if name in ("tmpfs", "ramfs") else f"on a disk, {name}"
