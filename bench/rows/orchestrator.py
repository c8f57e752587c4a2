"""What the reference orchestrator costs: spawn to SSH, many idle runners, and its answers under load."""

import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(holds, what, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come up in {seconds} s")
        time.sleep(0.02)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@contextmanager
def running(command, log, environment=None):
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def stage(binaries, capacity):
    """An orchestrator and a registry of our own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lb-") as name:
        folder = Path(name)
        registry = free_port()
        (folder / "registry.yml").write_text(
            f"version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {folder}/registry }} }}\n"
            f"http: {{ addr: 127.0.0.1:{registry} }}\n")
        (folder / "token").write_text("bench-token")
        orchestrator = [
            os.path.join(binaries, "lian-orchestrator"), "--listen", "127.0.0.1:0", "--state", f"{folder}/s",
            "--token-file", f"{folder}/token", "--capacity", str(capacity),
        ]
        with running(["docker-registry", "serve", f"{folder}/registry.yml"], folder / "registry.log"), \
                running(orchestrator, folder / "orchestrator.log"):
            listen = folder / "s" / "listen"
            eventually(lambda: answers(registry), "the registry")
            eventually(lambda: listen.exists() and listen.read_text().endswith("\n"), "the orchestrator")
            yield folder, listen.read_text().strip(), registry


class Client:
    """One kept connection to the orchestrator."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def call(self, method, path, body=None, key=None):
        headers = {"Authorization": "Bearer bench-token", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        self.connection.request(method, path, json.dumps(body) if body else None, headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())


def spawn_request(index, public_key):
    return {
        "workspace": "bench", "build_id": f"b-{index}", "attempt": 1, "size": {"cpu": 1, "memory_mb": 512},
        "time_budget_minutes": 5, "lease_seconds": 600, "ssh_public_key": public_key,
    }


def build(binaries, context, address, registry, name):
    """One whole build; its envelope."""
    result = subprocess.run(
        [os.path.join(binaries, "lian-build"), "build", "--workspace", "bench", "--context", str(context), "--image",
         f"127.0.0.1:{registry}/bench/{name}:1", "--ssh-key", "ephemeral", "--orchestrator-url", f"http://{address}",
         "--progress", "quiet"],
        env={**os.environ, "ORCHESTRATOR_TOKEN": "bench-token"}, stdin=subprocess.DEVNULL, capture_output=True)
    envelope = json.loads(result.stdout)
    if result.returncode != 0:
        raise SystemExit(f"a build of the benchmark failed: {envelope['error']}")
    return envelope


def spawn_to_ssh(binaries, folder, address, registry, runs):
    """From the spawn request to the authenticated SSH connection, as the client's own envelope tells."""
    times = []
    for index in range(runs + 1):
        timings = build(binaries, folder, address, registry, f"spawn{index}")["timings_ms"]
        times.append(timings["spawn"] + timings["ready"])
    # The first one finds nothing in the system's caches.
    times = times[1:]
    return {"case": "spawn to SSH authentication", "runs": runs, "median_ms": statistics.median(times),
            "range_ms": [min(times), max(times)]}


def answers_under_load(address, runner, per_second, seconds):
    """getRunner at a fixed rate over kept connections; the latencies of all answers."""
    threads, latencies, errors = 10, [], []
    lock = threading.Lock()
    start = time.perf_counter() + 0.2

    def ask(offset):
        client = Client(address)
        mine = []
        for tick in range(offset, per_second * seconds, threads):
            due = start + tick / per_second
            time.sleep(max(0, due - time.perf_counter()))
            # From when it was due: a late start counts as waiting.
            status, _ = client.call("GET", f"/api/v1/runners/{runner}")
            mine.append((time.perf_counter() - due) * 1000)
            if status != 200:
                errors.append(status)
        with lock:
            latencies.extend(mine)

    workers = [threading.Thread(target=ask, args=(offset,)) for offset in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    latencies.sort()
    return {"case": f"getRunner at {per_second}/s", "requests": len(latencies), "errors": len(errors),
            "p50_ms": round(latencies[len(latencies) // 2], 2), "p99_ms": round(latencies[len(latencies) * 99 // 100], 2)}


def idle_runners_and_builds(binaries, folder, address, registry, idle, builds, public_key):
    """Many runners that wait, and builds beside them."""
    client = Client(address)
    start = time.perf_counter()
    ids = []
    for index in range(idle):
        status, answer = client.call("POST", "/api/v1/runners", spawn_request(index, public_key), f"bench-idle-{index}")
        if status != 201:
            raise SystemExit(f"spawn {index} was answered {status}: {answer}")
        ids.append(answer["data"]["runner_id"])
    for runner in ids:
        while client.call("GET", f"/api/v1/runners/{runner}?wait=30")[1]["data"]["state"] == "pending":
            pass
    ready = time.perf_counter() - start
    load = answers_under_load(address, ids[0], 1000, 3)
    failures = []

    def one(index):
        try:
            build(binaries, folder, address, registry, f"beside{index}")
        except SystemExit as failure:
            failures.append(str(failure))

    workers = [threading.Thread(target=one, args=(index,)) for index in range(builds)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    together = time.perf_counter() - start
    for runner in ids:
        client.call("DELETE", f"/api/v1/runners/{runner}")
    return [
        load,
        {"case": f"{idle} idle runners", "seconds_until_ready": round(ready, 1), "errors": 0},
        {"case": f"{builds} builds beside them", "seconds": round(together, 1), "errors": len(failures)},
    ]


def measure(binaries, quick):
    """All of it; nothing where runners with engines cannot be had."""
    if os.geteuid() != 0:
        return [{"case": "the orchestrator", "skipped": "runners with engines of their own take root"}]
    idle = 50
    with stage(binaries, idle + 10) as (folder, address, registry):
        context = folder / "context"
        context.mkdir()
        (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public_key = Path(f"{key}.pub").read_text().strip()
        rows = [spawn_to_ssh(binaries, context, address, registry, 5 if quick else 15)]
        return rows + idle_runners_and_builds(binaries, context, address, registry, idle, 4, public_key)
