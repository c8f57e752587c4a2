"""arrow.py DATA.json MANIFEST.json [ROOT]: holds who uses whom in Sources against what DATA allows.

DATA is what adr-008 says: `modules` names for each module those that it may use; `folders` names for a module its
folders in the order of the walk, each of which may use those before it, and not one after it.

A module is used by its import, and MANIFEST, which is what `swift package dump-package` prints, must list just the same. A folder is used by the names that it declares: types, functions and values at the top
level of a file, and members that it adds to types of other folders. Names that are declared in more than one folder
tell nothing and are left out, and so are those that are private to a file.

Each use against the arrow is one line on stdout: where, what, and which rule. The exit code is 1 where there is any, and
where DATA allows a module what it does not use: an allowance that nobody needs would hide the first wrong use.
"""

import json
import re
import sys
from pathlib import Path

IMPORT = re.compile(r"^(?:@testable )?import (\w+)", re.M)
SEQUENCE = "the sequence"
WORDS = r"(?:package |public |private |fileprivate |final |indirect |static |mutating |nonisolated |@\w+ )*"
TOP = re.compile(rf"^(?!private |fileprivate ){WORDS}(?:struct|class|enum|actor|protocol|typealias|func|let|var) (\w+)", re.M)
EXTENSION = re.compile(rf"^{WORDS}extension ([\w.]+)(.*?)^\}}", re.M | re.S)
MEMBER = re.compile(rf"^    {WORDS}(?:func|let|var|case|struct|class|enum) (\w+)", re.M)


def code_of(text):
    """The text less comments and the contents of plain strings, which name things without using them."""
    text = re.sub(r"//.*", "", text)
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)


def module_errors(root, allowed):
    used = {}
    for file in sorted((root / "Sources").glob("*/**/*.swift")):
        module = file.relative_to(root / "Sources").parts[0]
        uses = used.setdefault(module, {})
        for name in IMPORT.findall(file.read_text()):
            if (root / "Sources" / name).is_dir():
                uses.setdefault(name, file.relative_to(root))
    for module in sorted(used):
        if module not in allowed:
            yield f"Sources/{module}: the module {module} has no place in adr-008: add it to `modules`"
            continue
        for name, file in sorted(used[module].items()):
            if name not in allowed[module]:
                yield f"{file}: {module} uses {name}, which adr-008 does not allow it"
        for name in sorted(set(allowed[module]) - set(used[module])):
            yield f"adr-008: {module} may use {name} and does not: take it out"
    for module in sorted(set(allowed) - set(used)):
        yield f"adr-008: there is no module {module} in Sources"


def manifest_errors(manifest, allowed):
    for target in manifest["targets"]:
        if target["name"] in allowed and target["type"] != "test":
            listed = sorted(dependency["byName"][0] for dependency in target["dependencies"])
            if listed != sorted(allowed[target["name"]]):
                yield f"Package.swift: {target['name']} lists {listed}, adr-008 {sorted(allowed[target['name']])}"


def folder_errors(root, module, order):
    base = root / "Sources" / module
    # Files that lie in no folder are the sequence, which comes after all of them.
    rank = {name: place for place, name in enumerate(order + [SEQUENCE])}
    files = {}
    for file in sorted(base.glob("**/*.swift")):
        parts = file.relative_to(base).parts
        folder = parts[0] if len(parts) > 1 else SEQUENCE
        if folder not in rank:
            yield f"{file.relative_to(root)}: the folder {folder} has no place in adr-008: add it to `folders.{module}`"
            return
        files[file] = (folder, code_of(file.read_text()))
    for name in order:
        if not (base / name).is_dir():
            yield f"adr-008: there is no folder {name} in Sources/{module}"
    types, members = {}, {}
    for folder, code in files.values():
        for name in TOP.findall(code):
            types.setdefault(name, set()).add(folder)
    for folder, code in files.values():
        for extended, body in EXTENSION.findall(code):
            if types.get(extended.split(".")[0], set()) != {folder}:
                for name in MEMBER.findall(body):
                    members.setdefault(name, set()).add(folder)
        for name in MEMBER.findall(EXTENSION.sub("", code)):
            # A member of a type's own body: a use of that name may mean this one.
            members.setdefault(name, set()).add(None)
    for file, (folder, code) in files.items():
        uses = {}
        for name in re.findall(r"\b[A-Za-z_]\w*", code):
            uses.setdefault(name, types.get(name))
        for name in re.findall(r"\.(\w+)", code):
            uses[name] = uses.get(name) or members.get(name)
        for name, homes in sorted(uses.items()):
            if homes is None or len(homes) != 1:
                continue
            home = next(iter(homes))
            if home is not None and rank[home] > rank[folder]:
                yield f"{file.relative_to(root)}: {folder} uses {name} of {home}, which comes after it"


def main():
    data = json.loads(Path(sys.argv[1]).read_text())
    root = Path(sys.argv[3] if len(sys.argv) > 3 else ".")
    errors = list(module_errors(root, data["modules"]))
    errors += manifest_errors(json.loads(Path(sys.argv[2]).read_text()), data["modules"])
    for module, order in data["folders"].items():
        errors += folder_errors(root, module, order)
    print("\n".join(errors), end="\n" if errors else "")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
