"""toml_peer.py < DOCUMENTS: what Python's tomllib makes of each document, held against what another reader made of it.

DOCUMENTS is a JSON list of {"document": hex, "value": what the reader made of it, null where it refused}. Prints a JSON
list of those on which both differ, and how many were accepted on standard error."""
import json
import struct
import sys
import tomllib
from datetime import date, datetime, time

DEEPEST = 64


def tagged(value):
    """The value as the other reader tells it."""
    match value:
        case bool():
            return {"boolean": value}
        case int():
            return {"integer": str(value)}
        case float():
            return {"float": "nan" if value != value else str(struct.unpack("<Q", struct.pack("<d", value))[0])}
        case str():
            return {"string": value}
        case list():
            return {"array": [tagged(item) for item in value]}
        case dict():
            return {"table": [[key, tagged(item)] for key, item in value.items()]}
        case datetime() | date() | time():
            return {"dateTime": repr(value)}
    raise TypeError(type(value))


def read_times(value):
    """The other reader's value, its dates and times, which it gives as they are written, read by Python."""
    match value:
        case {"dateTime": text}:
            return {"dateTime": repr(tomllib.loads(f"x = {text}")["x"])}
        case {"array": items}:
            return {"array": [read_times(item) for item in items]}
        case {"table": members}:
            return {"table": [[key, read_times(item)] for key, item in members]}
    return value


def is_refused_on_purpose(value, depth=0):
    """What tomllib accepts and the other reader does not."""
    match value:
        case bool():
            return False
        case int():
            return not -(2**63) <= value < 2**63
        case list():
            return depth > DEEPEST or any(is_refused_on_purpose(item, depth + 1) for item in value)
        case dict():
            return depth > DEEPEST or any(is_refused_on_purpose(item, depth + 1) for item in value.values())
    return False


def expected(document):
    try:
        value = tomllib.loads(document.decode())
    # A document nested too deep for Python is too deep for anyone.
    except (ValueError, RecursionError):
        return None
    return None if is_refused_on_purpose(value) else tagged(value)


differences = []
accepted = 0
for case in json.load(sys.stdin):
    document = bytes.fromhex(case["document"])
    theirs = expected(document)
    ours = case["value"] and read_times(case["value"])
    accepted += theirs is not None
    if ours != theirs:
        differences.append({"document": repr(document), "ours": repr(ours), "tomllib": repr(theirs)})
json.dump({"accepted": accepted, "differences": differences}, sys.stdout)
