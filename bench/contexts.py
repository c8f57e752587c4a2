"""The build contexts, each the same at every run: made from a seed, in a folder that goes with the run."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from bench.c_project import write_project

SEED = 20240607
MB = 1_000_000
# What the ignore rules of context c keep out, with how many files it holds of 8 KB each.
IGNORED = {"node_modules": 40_000, ".git": 5_000}
# For the measurements of the transfer alone: an image of one small file, out of the same context.
SMALL_DOCKERFILE = "Small.dockerfile"
COPY_ALL = "FROM scratch\nCOPY . /\n"


@dataclass(frozen=True)
class Context:
    name: str
    folder: Path
    description: str
    # Folders at the top that no tool is to send.
    ignored: tuple[str, ...] = ()


class Contexts:
    """Makes each context when it is first asked for. Quick ones are a tenth of the size, of d and e a twentieth."""

    def __init__(self, folder: Path, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self.made: dict[str, Context] = {}

    def get(self, name: str) -> Context:
        if name not in self.made:
            folder = self.folder / f"context-{name}"
            folder.mkdir()
            (folder / "Dockerfile").write_text(COPY_ALL)
            (folder / SMALL_DOCKERFILE).write_text(f"FROM scratch\nCOPY {SMALL_DOCKERFILE} /\n")
            kind, _, count = name.partition("-")
            # Apart for each context: what else a run makes does not change it.
            maker = Maker(folder, random.Random(f"{SEED} {name}"), self.quick)
            description = maker.make(kind, int(count or 0))
            self.made[name] = Context(name, folder, description, tuple(IGNORED) if kind in "ch" else ())
        return self.made[name]

    def drop(self, name: str) -> None:
        """The large ones are not kept for longer than they are needed."""
        context = self.made.pop(name, None)
        if context:
            shutil.rmtree(context.folder)


def busybox_context(parent: Path, name: str, description: str, steps: str) -> Context:
    """For steps of a shell."""
    folder = parent / f"context-{name}"
    folder.mkdir()
    shutil.copy("/bin/busybox", folder)
    (folder / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nSHELL ["/bin/busybox", "sh", "-c"]\nENV PATH=/bin\n' + steps)
    return Context(name, folder, description)


@dataclass
class Maker:
    """Fills one folder; each kind of context says what it came to."""

    folder: Path
    numbers: random.Random
    quick: bool

    def make(self, kind: str, count: int) -> str:
        if kind == "files":
            write_sources(self.folder, self.numbers, count, count * 2000)
            return f"{count:,} files of 2 KB"
        return {
            "a": self.tiny, "b": self.sources, "c": self.mostly_ignored, "d": self.noise, "e": self.text,
            "f": self.project, "g": self.project, "h": self.mostly_ignored,
        }[kind]()

    @property
    def scale(self) -> int:
        return 10 if self.quick else 1

    @property
    def large_scale(self) -> int:
        return 20 if self.quick else 1

    def tiny(self) -> str:
        (self.folder / "main.c").write_text("int main(void) { return 0; }\n")
        return "3 small files"

    def sources(self) -> str:
        files, size = 5_000 // self.scale, 60 // self.scale
        write_sources(self.folder, self.numbers, files, size * MB)
        return f"{files:,} files like sources, {size} MB"

    def mostly_ignored(self) -> str:
        kept = 5_000 // self.scale
        write_sources(self.folder, self.numbers, kept, kept * 8000)
        (self.folder / ".dockerignore").write_text("".join(f"{name}\n" for name in IGNORED))
        for name, count in IGNORED.items():
            write_sources(self.folder / name, self.numbers, count // self.scale, count // self.scale * 8000)
        files = kept + sum(IGNORED.values()) // self.scale
        return f"{files:,} files, {files * 8000 // MB} MB, a tenth of which the ignore rules keep"

    def project(self) -> str:
        files, kept_files, kept_mb = 300 // self.scale, 4_000 // self.scale, 120 // self.scale
        write_project(self.folder, self.numbers, files, kept_files, kept_mb * MB)
        return f"C project of {files} files, on a layer of {kept_files:,} files and {kept_mb} MB"

    def noise(self) -> str:
        size = 1000 // self.large_scale
        write_pieces(self.folder / "noise", size, lambda: self.numbers.randbytes(MB))
        return f"{size} MB that nothing compresses"

    def text(self) -> str:
        size = 500 // self.large_scale
        lines = source_lines(self.numbers)
        write_pieces(self.folder / "text", size, lambda: text_of(self.numbers, lines, MB))
        return f"{size} MB of text"


def write_sources(folder: Path, numbers: random.Random, files: int, size: int) -> None:
    """Forty files to a folder, of one half to one and a half of the mean size."""
    lines = source_lines(numbers)
    mean = size // files
    for index in range(files):
        place = folder / f"module{index // 1600}" / f"part{index // 40}"
        if index % 40 == 0:
            place.mkdir(parents=True)
        length = numbers.randint(mean // 2, mean + mean // 2)
        (place / f"file{index}.c").write_bytes(text_of(numbers, lines, length))


def write_pieces(path: Path, count: int, piece: Callable[[], bytes]) -> None:
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(piece())


def text_of(numbers: random.Random, lines: list[str], length: int) -> bytes:
    text = "\n".join(numbers.choices(lines, k=length // 24 + 1))
    return text[:length].encode()


def source_lines(numbers: random.Random) -> list[str]:
    """Lines that look like a program's: few enough words that text compresses as sources do, and so many lines that
    hardly one comes again within reach of a compressor."""
    words = [word(numbers) for _ in range(3_000)]
    # A few words are most of a text.
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    return [line(numbers, *numbers.choices(words, cum_weights=weights, k=3)) for _ in range(100_000)]


def word(numbers: random.Random) -> str:
    return "".join(numbers.choices("etaoinshrdlucmfwypvbgk_", weights=range(24, 1, -1), k=numbers.randint(3, 11)))


def line(numbers: random.Random, one: str, two: str, three: str) -> str:
    indent = "    " * numbers.randint(0, 3)
    form = numbers.randrange(6)
    if form == 0:
        return f"{indent}if ({one} != {two}) return {three};"
    if form == 1:
        return f"{indent}{one} = {two}({three}, {numbers.randrange(1000)});"
    if form == 2:
        return f"{indent}// {one} {two} {three}"
    if form == 3:
        return f"{indent}for (int {one} = 0; {one} < {two}; {one}++) {{"
    if form == 4:
        return indent + "}"
    return f"{indent}{one}.{two} += {three};"
