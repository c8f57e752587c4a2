"""A C project that takes as long to compile as a real one: the contexts of the second builds."""

import random
from pathlib import Path

PARTS = 10
FUNCTIONS = 16
# Made by a step out of what the base image holds: a package manager's work, without one.
DEPENDENCIES = """\
# FILES files of SIZE bytes each, in folders of a hundred.
set -e
mkdir /deps
tar -C / -cf - usr | head -c $((FILES * SIZE)) | split -b $((100 * SIZE)) - /deps/whole
for whole in /deps/whole*; do
  mkdir "$whole.d"
  split -b SIZE -a 3 "$whole" "$whole.d/file"
  rm "$whole"
done
"""
MAKEFILE = """\
objects = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

app: $(objects)
\tgcc -o $@ $^

part0: $(filter src/part0/%,$(objects))

%.o: %.c src/common.h
\t$(CC) -O2 -c -o $@ $<
"""
COMMON = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""


def write_project(folder: Path, numbers: random.Random, units: int, files: int, size: int) -> None:
    """Its Dockerfile is written by whoever knows the base image."""
    (folder / "deps.sh").write_text(DEPENDENCIES.replace("FILES", str(files)).replace("SIZE", str(size // files)))
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "src").mkdir()
    (folder / "src/common.h").write_text(COMMON)
    for part in range(PARTS):
        (folder / f"src/part{part}").mkdir()
    for index in range(units):
        place = folder / f"src/part{index % PARTS}/unit{index}.c"
        functions = [function(numbers, f"unit{index}_{number}") for number in range(FUNCTIONS)]
        place.write_text('#include "../common.h"\n\n' + "\n".join(functions))
    (folder / "src/part0/main.c").write_text("int main(void) { return 0; }\n")


def function(numbers: random.Random, name: str) -> str:
    """Loops over two buffers, with branches, which an optimizer has to think about."""
    steps = "".join(step(numbers) for _ in range(8))
    return f"uint32_t {name}(const uint32_t *in, uint32_t *out, size_t count) {{\n    uint32_t sum = 0;\n{steps}" \
        "    return sum;\n}\n"


def step(numbers: random.Random) -> str:
    one, two, three = (numbers.randrange(1, 1 << 31) for _ in range(3))
    shift = numbers.randrange(1, 31)
    return (
        "    for (size_t at = 0; at < count; at++) {\n"
        f"        if (in[at] % {one}u > {two}u) sum += in[at] * {three}u;\n"
        f"        else out[at] = (in[at] ^ {three}u) >> {shift};\n"
        f"        switch (sum & {numbers.choice((3, 7))}u) {{\n"
        f"        case 0: sum ^= out[at] + {one}u; break;\n"
        f"        case 1: out[at] += sum / {two}u; break;\n"
        f"        default: sum = (sum << {shift}) | (sum >> {32 - shift});\n"
        "        }\n    }\n")
