"""Times lian-build against what one would use instead: A B A B in one run, medians over pairs.

Single times mean little on a shared machine; quote the ratios. Results go to bench/results.json.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orchestrator

HERE = Path(__file__).resolve().parent


def run_once(command, environment, stdin):
    """One run of a whole process: wall seconds and peak memory in MB."""
    start = time.perf_counter()
    with open(stdin, "rb") as source:
        process = subprocess.Popen(
            command, env=environment, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code != 0:
        sys.exit(f"{command[0]} exited with {code}:\n{errors.decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024


def paired(name, ours, theirs, peer, runs, environment, stdin=os.devnull):
    """Runs both in turn, after one warm-up of each, and sums the pairs up."""
    run_once(ours, environment, stdin)
    run_once(theirs, environment, stdin)
    rows = [(run_once(ours, environment, stdin), run_once(theirs, environment, stdin)) for _ in range(runs)]
    ratios = [their[0] / our[0] for our, their in rows]
    return {
        "case": name,
        "peer": peer,
        "runs": runs,
        "ours_ms": round(statistics.median(our[0] for our, _ in rows) * 1000, 1),
        "peer_ms": round(statistics.median(their[0] for _, their in rows) * 1000, 1),
        "peer_over_ours": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "ours_peak_mb": round(max(our[1] for our, _ in rows), 1),
        "peer_peak_mb": round(max(their[1] for _, their in rows), 1),
    }


def make_tree(folder, files):
    """Small files, a hundred to a folder, of which the ignore rules keep most."""
    for index in range(files):
        if index % 100 == 0:
            current = folder / f"d{index // 10000}" / f"e{index // 100}"
            current.mkdir(parents=True)
        (current / f"f{index}.txt").write_bytes(b"x" * (index % 512))
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / ".dockerignore").write_text("**/*.log\n.git\nnode_modules\n")


def dry_run(binary, context):
    return [
        binary, "build", "--dry-run", "--progress", "quiet", "--workspace", "bench", "--context", str(context),
        "--image", "localhost:5000/bench/app:1", "--ssh-key", "ephemeral", "--orchestrator-url", "http://127.0.0.1:9",
    ]


def probe_context():
    """A context whose checks need no network: a secret and directives."""
    directives = {
        "schema_version": "1", "workspace": "bench", "compute": {"provider": "local"},
        "registry": {"provider": "zot", "endpoint": "localhost:5000"},
        "artifacts": [{"name": "app", "context": ".", "image": "localhost:5000/bench/app:1"}],
    }
    return {
        "schema": "secret-delivery-context/v1", "request_id": "bench-1", "workspace": "bench",
        "actor": {"id": "bench", "kind": "probe"}, "checks": ["secrets", "directives"], "directives": directives,
        "secrets": [{"name": "a", "kind": "cred", "delivery": {"via": "inline", "value": "0123456789abcdef"}}],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    binary = os.path.join(options.binaries, "lian-build")
    runs = 5 if options.quick else 15
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}

    results = []
    with tempfile.TemporaryDirectory(prefix="lian-bench-") as scratch:
        results.append(
            paired("start-up: --version", [binary, "--version"], [shutil.which("rsync"), "--version"],
                   "rsync --version", runs * 2, environment))
        probe = Path(scratch) / "context.json"
        probe.write_text(json.dumps(probe_context()))
        results.append(
            paired("integrate: secrets, directives", [binary, "integrate"], [shutil.which("jq"), "."], "jq .",
                   runs * 2, environment, probe))
        for files in (1_000, 10_000, 100_000):
            context = Path(scratch) / f"context-{files}"
            context.mkdir()
            make_tree(context, files)
            results.append(
                paired(f"dry run of {files:,} files", dry_run(binary, context),
                       ["rsync", "-an", "--exclude=*.log", f"{context}/", f"{scratch}/nowhere/"],
                       "rsync -an (dry)", runs, environment))

    width = max(len(row["case"]) for row in results)
    print(f"{'case':<{width}}  {'ours ms':>9}  {'peer ms':>9}  {'peer/ours':>9}  {'range':>13}  {'peak MB':>8}  peer")
    for row in results:
        low, high = row["ratio_range"]
        print(f"{row['case']:<{width}}  {row['ours_ms']:>9}  {row['peer_ms']:>9}  {row['peer_over_ours']:>9}  "
              f"{low:>5} – {high:<5}  {row['ours_peak_mb']:>8}  {row['peer']}")
    rows = orchestrator.measure(options.binaries, options.quick)
    print("\nThe orchestrator:")
    for row in rows:
        print(f"  {row['case']}: " + ", ".join(f"{name} {value}" for name, value in row.items() if name != "case"))
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "system": platform.system()}
    (HERE / "results.json").write_text(json.dumps({"machine": machine, "results": results, "orchestrator": rows}, indent=2) + "\n")


main()
