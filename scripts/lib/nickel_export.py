"""`nickel export --format json [--import-path DIR]... FILE` and `nickel --version`, answered by py-nickel.

Exit codes as the command line has them: 0 with the JSON on stdout, 1 with the drawn diagnostic on stderr,
2 for arguments that it does not understand.
"""

import os
import re
import sys

import nickel

VERSION = "1.18.0"


def usage(message):
    print(f"error: {message}\n\nUsage: nickel export --format json [--import-path DIR]... FILE", file=sys.stderr)
    sys.exit(2)


def parse(arguments):
    import_paths, files = [], []
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if name in ("--format", "-f", "--import-path", "-I"):
            value = value or next(rest, None)
            if value is None:
                usage(f"a value is required for '{name}'")
            if name in ("--import-path", "-I"):
                import_paths.append(value)
            elif value != "json":
                usage(f"this launcher exports json only, not '{value}'")
        elif argument.startswith("-"):
            usage(f"unexpected argument '{argument}' found")
        else:
            files.append(argument)
    if len(files) != 1:
        usage("exactly one FILE is exported at a time")
    return import_paths, files[0]


def quoted(path):
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("%{", "\\%{")


def main():
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        print(f"nickel-lang-cli nickel {VERSION} (py-nickel)")
        return
    if arguments[:1] != ["export"]:
        usage("only 'export' is known")
    import_paths, file = parse(arguments[1:])
    if not os.path.exists(file):
        print(f"error: {file}: No such file or directory (os error 2)", file=sys.stderr)
        sys.exit(1)
    try:
        print(nickel.run(f'import "{quoted(os.path.abspath(file))}"', import_paths))
    except nickel.NickelException as error:
        drawn = str(error)
        # As the command line does: colours are for terminals.
        print(drawn if sys.stderr.isatty() else re.sub(r"\x1b\[[0-9;]*m", "", drawn), file=sys.stderr)
        sys.exit(1)


main()
