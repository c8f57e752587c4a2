"""Makes well-formed spawn requests servable: what the schema allows is seldom a key, and never a region of this
machine. A request that is malformed elsewhere stays so."""

import re

import schemathesis

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT"
FORM = re.compile(r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}( [^\r\n]*)?$")


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    key = body.get("ssh_public_key")
    if not isinstance(key, str) or len(key) > 1024 or not FORM.match(key):
        return
    servable = {name: None for name in ("provider", "region", "image", "platform") if isinstance(body.get(name), str)}
    case.body = body | servable | {"ssh_public_key": KEY}
