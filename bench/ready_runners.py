"""ready_runners.py ORCHESTRATOR STATE PUBLIC_KEY: an orchestrator in front of the reference one, whose runners are up.

The boot of a runner and of its engine is the same for every tool and much longer than what they differ in. Here a
runner is made before the clock runs: each line on stdin makes one, and the next spawn is answered with it. The line is
a JSON object, whatever the spawn request is to say beside the usual. All else is handed on as it is. Everything of it
is for runners of one key.
"""

import http.client
import itertools
import json
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.orchestrator_client import Client, wait_for_engine

HANDED_ON = ("Authorization", "Content-Type", "Idempotency-Key")


class Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str, state: str, public_key: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream
        self.state = state
        self.public_key = public_key
        self.numbers = itertools.count()
        self.waiting: deque[dict[str, Any]] = deque()

    def prepare(self, more: dict[str, Any]) -> None:
        runner = Client(self.upstream).spawn(f"ready-{next(self.numbers)}", self.public_key, **more)
        wait_for_engine(runner, self.state)
        self.waiting.append(runner)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def setup(self) -> None:
        super().setup()
        self.onward = http.client.HTTPConnection(self.server.upstream, timeout=60)

    def hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "POST" and self.path == "/api/v1/runners" and self.server.waiting:
            runner = {**self.server.waiting.popleft(), "workspace": json.loads(body)["workspace"]}
            answer = {"success": True, "data": runner, "error": None}
            self.answer(201, json.dumps(answer, separators=(",", ":")).encode())
            return
        headers = {name: self.headers[name] for name in HANDED_ON if name in self.headers}
        self.onward.request(self.command, self.path, body or None, headers)
        response = self.onward.getresponse()
        self.answer(response.status, response.read())

    do_GET = do_POST = do_DELETE = hand_on

    def answer(self, status: int, body: bytes) -> None:
        # In one piece: two would wait for each other's acknowledgement.
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *values: Any) -> None:
        pass


def main() -> None:
    front = Front(*sys.argv[1:])
    threading.Thread(target=front.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{front.server_port}", flush=True)
    for line in sys.stdin:
        try:
            front.prepare(json.loads(line))
            print("ready", flush=True)
        except Exception as problem:
            print(f"error: {problem}", flush=True)


main()
