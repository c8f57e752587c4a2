"""A context that changes from build to build, the same way for every tool."""

import os
from pathlib import Path

from bench.contexts import Context


class ChangingContext:
    def __init__(self, context: Context) -> None:
        self.context = context
        # Of the first part alone, which is all that context g compiles.
        self.files = sorted([*context.folder.glob("src/part0/unit*.c"), *context.folder.glob("module0/*/*.c")])
        self.changed = 0

    def change(self, count: int) -> None:
        """Has the first so many files be changed; what has been changed stays so."""
        while self.changed < count:
            with open(self.files[self.changed], "a") as file:
                # No comment: a compiler's cache would see that nothing has changed.
                file.write(f"int changed_{self.changed};\n")
            self.changed += 1

    def check_out(self) -> None:
        """Every file is as new as after a checkout of a CI job."""
        for folder, _, names in os.walk(self.context.folder):
            for name in names:
                os.utime(Path(folder, name))
