"""The orchestrator's HTTP, from Python."""

import http.client
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.processes import BenchFailure
from bench.stage import TOKEN


class Client:
    """One kept connection to the orchestrator."""

    def __init__(self, address: str, token: str = TOKEN, authority: Path | None = None) -> None:
        """By HTTPS where there is an authority."""
        self.token = token
        self.connection = (
            http.client.HTTPSConnection(address, timeout=60, context=ssl.create_default_context(cafile=authority))
            if authority else http.client.HTTPConnection(address, timeout=60))

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        self.connection.request(method, path, json.dumps(body) if body else None, headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def spawn(self, name: str, public_key: str, **more: Any) -> dict[str, Any]:
        """A runner that is ready. More is said in the request as it is given here."""
        return self.wait_until_ready(self.ask_for_runner(name, public_key, 2, 4096, **more)["runner_id"])

    def ask_for_runner(
        self, name: str, public_key: str, cpu: int, memory_mb: int, **more: Any,
    ) -> dict[str, Any]:
        body = {**spawn_request(name, public_key, cpu, memory_mb), **more}
        status, answer = self.call("POST", "/api/v1/runners", body, f"spawn-{name}")
        if status not in (200, 201):
            raise BenchFailure(f"a spawn was answered {status}: {answer['error']}")
        runner: dict[str, Any] = answer["data"]
        return runner

    def wait_until_ready(self, runner: str) -> dict[str, Any]:
        while True:
            answer: dict[str, Any] = self.call("GET", f"/api/v1/runners/{runner}?wait=30")[1]["data"]
            if answer["state"] == "ready":
                return answer
            if answer["state"] != "pending":
                raise BenchFailure(f"a runner is {answer['state']}: {answer.get('reason')}")

    def destroy(self, runner: str) -> None:
        self.call("DELETE", f"/api/v1/runners/{runner}")

    def keep(self, runner: str) -> None:
        """Keeps the runner's volume as after a successful build."""
        body = {"outcome": "succeeded", "executed_ms": 0}
        status, answer = self.call("POST", f"/api/v1/runners/{runner}/keep", body)
        if status != 200 or not answer["data"]["kept"]:
            raise BenchFailure(f"a volume was not kept: {status}: {answer['data'] or answer['error']}")

    def overview(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/api/v1/overview")[1]["data"]
        return found

    def volumes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/api/v1/volumes")[1]["data"]
        return found

    def delete_volume(self, name: str) -> None:
        self.call("DELETE", f"/api/v1/volumes/{quote(name, safe='')}")


def wait_for_engine(runner: dict[str, Any], state: str) -> None:
    """Runs on the runner's machine; `state` is the orchestrator's folder. The runner's own buildctl waits."""
    address = ["--addr", runner["buildkit_addr"]] if runner.get("buildkit_addr") else []
    buildctl = f"{state}/runners/{runner['runner_id']}/bin/buildctl"
    subprocess.run([buildctl, *address, "debug", "workers"], check=True, capture_output=True)


def spawn_request(name: str, public_key: str, cpu: int, memory_mb: int) -> dict[str, Any]:
    return {
        "workspace": "bench", "build_id": name, "attempt": 1, "size": {"cpu": cpu, "memory_mb": memory_mb},
        "time_budget_minutes": 30, "lease_seconds": 600, "ssh_public_key": public_key,
    }
