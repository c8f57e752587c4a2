"""Makes well-formed spawn requests servable: what the schema allows is seldom a key, and never a region of this
machine. A request that is malformed elsewhere stays so."""

import itertools
import re

import schemathesis
from urllib3.util import connection

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpzUbH0nuZFfWWFnIMrFSIVwDfmDOiNF1zBzNnOb6kT"
FORM = re.compile(r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}( [^\r\n]*)?$")

# It tries tokens that are none, and who fails ten times in a minute has to wait: each connection comes from another of
# this machine's addresses.
numbers = itertools.count(1)
create_connection = connection.create_connection


def create_connection_from_elsewhere(address, timeout, source_address=None, socket_options=None):
    number = next(numbers)
    source = f"127.1.{number // 250 % 250}.{number % 250 + 1}"
    return create_connection(address, timeout, source_address=(source, 0), socket_options=socket_options)


connection.create_connection = create_connection_from_elsewhere


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    key = body.get("ssh_public_key")
    if not isinstance(key, str) or len(key) > 1024 or not FORM.match(key):
        return
    volume = body.get("volume")
    if isinstance(volume, dict) and isinstance(volume.get("from"), list):
        # What the schema allows may begin with a session's and end as CI's.
        own = [name for name in volume["from"] if not isinstance(name, str) or name.startswith("ci/")]
        body = body | {"volume": volume | {"from": own}}
    servable = {name: None for name in ("provider", "region", "image", "platform") if isinstance(body.get(name), str)}
    case.body = body | servable | {"ssh_public_key": KEY}
