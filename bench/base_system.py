"""A base image to compile on, out of this machine's own packages: nothing is fetched from a registry elsewhere."""

import os
import re
import shutil
import subprocess
from pathlib import Path

# The packages of each layer; what they depend on comes with them.
LAYERS = (
    ("dash", "coreutils", "findutils", "grep", "sed", "tar"), ("libc6-dev",), ("gcc",), ("g++", "make", "ccache"),
)
LEFT_OUT = re.compile(r"/usr/share/(bug|doc|info|lintian|locale|man)(/|$)")


def write_base(folder: Path) -> None:
    """A context whose image has these layers."""
    dependencies = installed()
    there: set[str] = set()
    for index, names in enumerate(LAYERS):
        layer = folder / f"layer{index}"
        layer.mkdir(parents=True)
        packages = closure(names, dependencies) - there
        there |= packages
        for path in files(packages):
            copy(path, layer)
    system = folder / "layer0"
    (system / "tmp").mkdir()
    for path in Path("/").iterdir():
        # /bin and the like, which most packages rely on and hardly one brings.
        place = system / path.name
        if path.is_symlink() and os.readlink(path).startswith("usr/") and not place.is_symlink():
            place.symlink_to(os.readlink(path))
    copies = "".join(f"COPY layer{index} /\n" for index in range(len(LAYERS)))
    (folder / "Dockerfile").write_text(f"FROM scratch\nENV PATH=/usr/bin:/bin\n{copies}")


def installed() -> dict[str, list[list[str]]]:
    """Every package's dependencies, each a list of alternatives."""
    form = "${db:Status-Abbrev}\t${Package}\t${Pre-Depends}, ${Depends}\n"
    output = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}"], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in output.splitlines():
        status, name, dependencies = line.split("\t")
        if status.startswith("ii"):
            found[name] = [re.findall(r"(?:^|\|)\s*([\w.+-]+)", one) for one in dependencies.split(",")]
    return found


def closure(names: tuple[str, ...], dependencies: dict[str, list[list[str]]]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for alternatives in dependencies[name]:
                # None of them: a virtual package, which none of these needs to run.
                waiting += [one for one in alternatives if one in dependencies][:1]
    return found


def files(packages: set[str]) -> list[Path]:
    output = subprocess.run(
        ["dpkg-query", "--listfiles", *sorted(packages)], check=True, capture_output=True, text=True).stdout
    paths = {Path(line) for line in output.splitlines() if line.startswith("/") and not LEFT_OUT.match(line)}
    return sorted(path for path in paths if path.is_symlink() or path.is_file())


def copy(path: Path, layer: Path) -> None:
    """To where the path really leads: /bin is /usr/bin."""
    place = layer / path.parent.resolve().relative_to("/")
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, place / path.name, follow_symlinks=False)
