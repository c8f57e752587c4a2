"""lying_orchestrator.py PORT TRUE_PORT: hands requests on to the orchestrator at TRUE_PORT, and puts another machine's
host key in its answers."""
import http.client
import http.server
import json
import subprocess
import sys
import tempfile

port, true_port = int(sys.argv[1]), int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key"], check=True)
    with open(f"{folder}/key.pub", encoding="ascii") as file:
        other_key = " ".join(file.read().split()[:2])


class Handler(http.server.BaseHTTPRequestHandler):
    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection("localhost", true_port)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        text = answer.read()
        data = (json.loads(text) if text else {}).get("data")
        if isinstance(data, dict) and data.get("host_keys"):
            document = json.loads(text)
            document["data"]["host_keys"] = [other_key]
            text = json.dumps(document).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PUT = pass_on


http.server.ThreadingHTTPServer(("localhost", port), Handler).serve_forever()
