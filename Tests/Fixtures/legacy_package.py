"""legacy_package.py ARCHIVE FOLDER ENTRY_MODULE EPOCH: what `build` has to have made of the files in FOLDER, by Python's own
tar, JSON and SHA-256; says what differs."""
import gzip
import hashlib
import json
import os
import struct
import sys

archive, folder, entry_module, epoch = sys.argv[1:5]
with open(archive, "rb") as file:
    packed = file.read()
assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03", packed[:10]
tar = gzip.decompress(packed)


def header(name, kind, size, mode):
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = b"%07o\0" % mode
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % int(epoch)
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar  \0"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def members():
    yield "manifest.json"
    for top in ("workflow", "vendor"):
        yield top + "/"
        found = []
        for parent, folders, files in os.walk(os.path.join(folder, top)):
            folders[:] = [each for each in folders if each != "__pycache__"]
            found += [os.path.relpath(os.path.join(parent, each), folder) + "/" for each in folders]
            found += [os.path.relpath(os.path.join(parent, each), folder) for each in files if not each.endswith(".pyc")]
        yield from sorted(found, key=lambda path: [os.fsencode(name) for name in path.strip("/").split("/")])
    yield "requirements.lock"


def content(path):
    with open(os.path.join(folder, path), "rb") as file:
        return file.read()


with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
    manifest = json.load(file)
assert content("manifest.json").decode() == json.dumps(manifest, indent=2, ensure_ascii=False)
assert list(manifest) == [
    "format_version", "package", "language", "python", "rust", "tasks", "created_at", "signature"
], list(manifest)
assert list(manifest["package"]) == ["name", "version", "description", "fingerprint", "targets"]
assert manifest["python"]["entry_module"] == entry_module
names = list(members())
expected = b""
for name in names:
    if name.endswith("/"):
        expected += header(os.fsencode(name), b"5", 0, 0o755)
    else:
        data = content(name)
        executable = os.access(os.path.join(folder, name), os.X_OK)
        expected += header(os.fsencode(name), b"0", len(data), 0o755 if executable else 0o644)
        expected += data + b"\0" * (-len(data) % 512)
assert tar == expected + b"\0" * 1024, "the tar is another"

told = manifest["package"]["fingerprint"]
digest = hashlib.sha256()
for name in sorted((each for each in names if not each.endswith("/")), key=os.fsencode):
    data = content(name)
    if name == "manifest.json":
        data = data.replace(told.encode(), b"")
    if not name.endswith(".sig"):
        digest.update(struct.pack("<Q", len(os.fsencode(name))) + os.fsencode(name) + struct.pack("<Q", len(data)) + data)
assert told == "sha256:" + digest.hexdigest(), (told, digest.hexdigest())
print(told, end="")
