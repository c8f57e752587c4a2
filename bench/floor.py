"""floor.py: one build job driven on the runner's own machine: what orchestrator and engine take by themselves, without
any transport. What a tool takes beyond that is its own, and the line's.

Takes the environment of peers.sh, and STATE, the orchestrator's folder. Prints the milliseconds of each part.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from bench.orchestrator_client import Client


def main() -> None:
    environment = os.environ
    client = Client(environment["ORCHESTRATOR"].removeprefix("http://"))
    times = {"start": time.perf_counter()}
    runner = client.spawn(environment["WORKSPACE"], environment["PUBLIC_KEY"])
    times["spawned"] = time.perf_counter()
    try:
        context = Path(runner["work_dir"]) / "context"
        shutil.copytree(environment["CONTEXT"], context, symlinks=True)
        times["context"] = time.perf_counter()
        address = ["--addr", runner["buildkit_addr"]] if runner.get("buildkit_addr") else []
        programs = f"{environment['STATE']}/runners/{runner['runner_id']}/bin"
        command = [
            f"{programs}/buildctl", *address, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
            "--local", f"context={context}", "--local", f"dockerfile={context}",
            "--opt", f"filename={environment['DOCKERFILE']}",
            "--output", f"type=image,name={environment['IMAGE']},push=true",
            "--import-cache", f"type=registry,ref={environment['CACHE']}",
            "--export-cache", f"type=registry,ref={environment['CACHE']}{environment['CACHE_OPTIONS']}",
        ]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        times["built"] = time.perf_counter()
    finally:
        client.destroy(runner["runner_id"])
    times["deleted"] = time.perf_counter()
    print(json.dumps({name: (at - times["start"]) * 1000 for name, at in times.items()}))


main()
