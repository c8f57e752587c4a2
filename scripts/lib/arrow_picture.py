"""arrow_picture.py DATA.json: writes adr-008 as a graph for `dot`: modules by what they use, the folders of a module in
their order. What follows from other uses is left out, so that the picture can be read."""

import json
import sys
from pathlib import Path

LEFT_OUT = {"bench-connect", "lian-manpages"}  # never installed; they would hide what matters


def reachable(modules, start, without):
    """What can be used from `start` by way of others, not taking the direct use `without`."""
    found, open_ = set(), [name for name in modules.get(start, []) if name != without]
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += modules.get(name, [])
    return found


def main():
    data = json.loads(Path(sys.argv[1]).read_text())
    modules = {name: uses for name, uses in data["modules"].items() if name not in LEFT_OUT}
    libraries = sorted({use for uses in modules.values() for use in uses if use.startswith("C")})
    print("digraph modules {")
    print('  rankdir=TB; nodesep=0.25; ranksep=0.45; bgcolor="transparent";')
    print('  node [shape=box, style="rounded,filled", fillcolor="#eef2f7", color="#5b6b80", fontcolor="#1c2733",')
    print('        fontname="Helvetica", fontsize=11, height=0.35, margin="0.12,0.05"];')
    print('  edge [color="#7c8a9c", arrowsize=0.6];')
    for name in libraries:
        print(f'  "{name}" [fillcolor="#f7f1e3", color="#9a8450", fontsize=10];')
    for name in sorted(modules):
        order = data["folders"].get(name)
        if order:
            rows = "".join(f'<tr><td align="left">{folder}</td></tr>' for folder in order)
            print(
                f'  "{name}" [label=<<table border="0" cellspacing="0" cellpadding="1"><tr><td><b>{name}</b></td></tr>'
                f'<tr><td align="left"><i>each folder uses those above it</i></td></tr>{rows}</table>>];'
            )
        elif name.startswith("lian-"):
            print(f'  "{name}" [fillcolor="#dbe9dc", color="#557a58"];')
        for use in sorted(modules[name]):
            if use not in reachable(modules, name, use):
                print(f'  "{name}" -> "{use}";')
    print("}")


if __name__ == "__main__":
    main()
