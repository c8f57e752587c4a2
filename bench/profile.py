"""Where the time of a profile goes, for scripts/profile: reads what `perf script -F comm,ip,sym,dso` prints of a number
of runs, so many samples a second."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

# The first that fits decides; each is looked for in all names of a sample's stack, the system call in the kernel first.
PARTS = [
    ("walk, kernel: reading folders (getdents64)", ("sys_getdents64",)),
    ("walk, kernel: size and kind of what is kept (newfstatat)", ("sys_newfstatat", "vfs_fstatat", "vfs_fstat")),
    ("walk, kernel: opening and closing folders", ("sys_openat", "sys_close")),
    ("walk: sums and warnings (ContextTally)", ("ContextTally", "ContextEntry", "SuspiciousNames")),
    ("walk: ignore rules (IgnoreMatcher)", ("IgnoreMatcher",)),
    ("walk: the rest of it, with its system calls", ("ContextWalk", "FolderReader", "readdir", "fdopendir")),
    ("start: dynamic loader", ("ld-linux",)),
    ("start and end of the process, threads, memory: kernel", ("[kernel.kallsyms]",)),
]
REST = "everything else of ours, and Swift's run time"
# What starts the program over and over.
NOT_OURS = {"bash", "sh", "perf", "perf-exec"}


def stacks(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The program's name and the whole stack of each sample."""
    sample: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            sample.append(line.strip())
        elif sample:
            yield sample[0], "\n".join(sample[1:])
            sample = []


def part(stack: str) -> str:
    return next((name for name, marks in PARTS if any(mark in stack for mark in marks)), REST)


def main(runs: int, samples_a_second: int) -> None:
    counts = Counter(part(stack) for program, stack in stacks(sys.stdin) if program not in NOT_OURS)
    counts["all of it, in one run"] = counts.total()
    for name in [*(name for name, _ in PARTS), REST, "all of it, in one run"]:
        print(f"{1000 * counts[name] / samples_a_second / runs:6.2f} ms  {name}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
