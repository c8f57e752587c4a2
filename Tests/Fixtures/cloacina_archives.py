"""A second implementation of Cloacina's archives, for the tests, by Python's own tarfile and bz2.

cloacina_archives.py pack FOLDER TOP EPOCH OUT   the archive that the contract describes, and its digest on stdout
cloacina_archives.py digest ARCHIVE              the digest of what is in it
cloacina_archives.py hostile FOLDER              one archive for each fault, and on stdout which code it has to get
"""

import bz2
import gzip
import hashlib
import io
import json
import os
import struct
import sys
import tarfile

MANIFEST = b"""[package]
name = "ok"
version = "1"
interface = "cloacina-workflow-plugin"
interface_version = 1
extension = "cloacina"

[metadata]
workflow_name = "ok"
language = "python"
entry_module = "ok.tasks"
"""


def digest(files):
    total = hashlib.sha256()
    for path in sorted(files):
        if not path.endswith(b".sig"):
            total.update(struct.pack("<Q", len(path)) + path + struct.pack("<Q", len(files[path])) + files[path])
    return total.hexdigest()


def header(name, kind, mode, size, epoch):
    block = bytearray(512)
    block[0:min(100, len(name))] = name[:100]
    block[100:108] = b"%07o\0" % mode
    block[108:124] = b"0000000\0" * 2
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % epoch
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar  \0"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def pack(folder, top, epoch, out):
    files, tar = {}, b""
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            files[os.fsencode(os.path.relpath(path, folder))] = path
    contents = {}
    for path in sorted(files):
        with open(files[path], "rb") as file:
            contents[path] = file.read()
        name = os.fsencode(top) + b"/" + path
        mode = 0o755 if os.stat(files[path]).st_mode & 0o100 else 0o644
        if len(name) > 100:
            tar += header(b"././@LongLink", b"L", 0o644, len(name) + 1, 0) + padded(name + b"\0")
        tar += header(name, b"0", mode, len(contents[path]), epoch) + padded(contents[path])
    with open(out, "wb") as file:
        file.write(bz2.compress(tar + bytes(1024), 9))
    print(digest(contents))


def digest_of(archive):
    files = {}
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.isfile():
                files[os.fsencode(member.name.split("/", 1)[1])] = tar.extractfile(member).read()
    print(digest(files))


class Tar:
    """A package that is good, with what is added."""

    def __init__(self, form=tarfile.GNU_FORMAT, manifest=True):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=form)
        if manifest:
            self.file("ok-1/package.toml", MANIFEST)
        self.file("ok-1/workflow/ok/tasks.py", b"import cloaca\n")

    def file(self, name, data=b"", **fields):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for key, value in fields.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def member(name, kind=b"0", size=0, data=b""):
    return header(name, kind, 0o644, size, 0) + padded(data)


def summed(block, fields):
    """The header with these fields at these places, and with its checksum anew."""
    block = bytearray(block)
    for offset, value in fields.items():
        block[offset:offset + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


def added(*members):
    """The good package with raw members before its end."""
    good = Tar().bytes()
    end = good.rstrip(b"\0")
    end += bytes(-len(end) % 512)
    return end + b"".join(members) + bytes(1024)


def pax(records):
    body = b""
    for key, value in records.items():
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        body += b"%d" % length + rest
    return header(b"./PaxHeaders/x", b"x", 0o644, len(body), 0) + padded(body)


def hostile(folder):
    cases = {}

    def case(name, code, tar, compress=lambda data: bz2.compress(data, 9)):
        with open(os.path.join(folder, name + ".cloacina"), "wb") as file:
            file.write(compress(tar))
        cases[name] = code

    link = dict(type=tarfile.SYMTYPE, linkname="/etc/passwd")
    hard = dict(type=tarfile.LNKTYPE, linkname="ok-1/package.toml")
    long_name = "ok-1/workflow/" + "d" * 90 + "/" + "f" * 90 + ".py"
    # Accepted.
    case("good", None, Tar().bytes())
    case("folders", None, Tar().file("ok-1/workflow/empty", type=tarfile.DIRTYPE).bytes())
    case("ustar-prefix", None, Tar(tarfile.USTAR_FORMAT).file(long_name).bytes())
    case("gnu-long", None, Tar().file(long_name).bytes())
    case("pax-path", None, Tar(tarfile.PAX_FORMAT).file(long_name).bytes())
    case("pax-size", None, added(pax({b"size": b"3"}), member(b"ok-1/x", b"0", 0, b"abc")))
    case("pax-global", None, added(header(b"g", b"g", 0o644, 13, 0) + padded(b"13 comment=x\n"), member(b"ok-1/x")))
    case("dots", None, added(member(b"./ok-1/./a//b")))
    # For some, the slash and what follows it are one character.
    case("combining", None, added(member("ok-1/\u0338a".encode()), member("ok-1/new/\u0338b".encode())))
    half = Tar().bytes()
    case("streams", None, half, lambda data: bz2.compress(data[:700], 9) + bz2.compress(data[700:], 9))
    case("trailing", None, half, lambda data: bz2.compress(data, 9) + b"more")
    case("trailing-inside", None, half + b"more")
    # Refused.
    case("empty-file", "archive_format", b"", lambda data: data)
    case("zip", "archive_format", b"PK\3\4", lambda data: data)
    case("text", "archive_format", b"hello", lambda data: data)
    case("not-a-tar", "archive_corrupt", b"x" * 4096)
    case("truncated", "archive_truncated", half, lambda data: bz2.compress(data, 9)[:-20])
    case("header-only", "archive_truncated", half, lambda data: b"BZh9")
    case("cut-tar", "archive_truncated", half[:1100])
    case("no-end", "archive_truncated", half.rstrip(b"\0") + bytes(-len(half.rstrip(b"\0")) % 512))
    case("lone-zero-block", "archive_corrupt", added()[:-1024] + bytes(512) + member(b"ok-1/x") + bytes(1024))
    flipped = bytearray(bz2.compress(half, 9))
    flipped[len(flipped) // 2] ^= 0x40
    case("flipped", "archive_corrupt", half, lambda data: bytes(flipped))
    wrong_sum = bytearray(half)
    wrong_sum[3] ^= 1
    case("checksum", "archive_corrupt", bytes(wrong_sum))
    case("symlink", "archive_symlink", Tar().file("ok-1/l", **link).bytes())
    case("hardlink", "archive_hardlink", Tar().file("ok-1/l", **hard).bytes())
    case("device", "archive_special", Tar().file("ok-1/d", type=tarfile.CHRTYPE).bytes())
    case("block", "archive_special", Tar().file("ok-1/d", type=tarfile.BLKTYPE).bytes())
    case("fifo", "archive_special", Tar().file("ok-1/f", type=tarfile.FIFOTYPE).bytes())
    case("sparse", "archive_special", added(member(b"ok-1/s", b"S")))
    case("absolute", "archive_absolute_path", added(member(b"/etc/x")))
    case("absolute-pax", "archive_absolute_path", added(pax({b"path": b"/etc/x"}), member(b"ok-1/x")))
    case("traversal", "archive_path_traversal", added(member(b"ok-1/../../x")))
    case("traversal-long", "archive_path_traversal",
         added(header(b"././@LongLink", b"L", 0o644, 8, 0) + padded(b"ok-1/..\0"), member(b"ok-1/x")))
    case("duplicate", "archive_duplicate", added(member(b"ok-1/x"), member(b"ok-1/x")))
    case("duplicate-dotted", "archive_duplicate", added(member(b"ok-1/x"), member(b"ok-1/./x")))
    case("file-then-folder", "archive_duplicate", added(member(b"ok-1/x"), member(b"ok-1/x/y")))
    case("folder-then-file", "archive_duplicate", added(member(b"ok-1/x/y"), member(b"ok-1/x")))
    case("folder-twice", "archive_duplicate", added(member(b"ok-1/e/", b"5"), member(b"ok-1/e/", b"5")))
    case("nul-name", "archive_corrupt", added(pax({b"path": b"ok-1/a\0b"}), member(b"ok-1/x")))
    case("not-utf8", "archive_corrupt", added(member(b"ok-1/\xff")))
    case("bad-pax", "archive_corrupt", added(header(b"x", b"x", 0o644, 9, 0) + padded(b"99 path=x"), member(b"ok-1/x")))
    case("long-name-alone", "archive_corrupt", added(header(b"././@LongLink", b"L", 0o644, 3, 0) + padded(b"ab\0")))
    case("huge-name", "archive_corrupt", added(header(b"././@LongLink", b"L", 0o644, 1 << 20, 0) + bytes(1 << 20)))
    case("deep", "archive_too_large", added(pax({b"path": b"ok-1/" + b"a/" * 70 + b"x"}), member(b"ok-1/x")))
    case("wide-name", "archive_too_large", added(pax({b"path": b"ok-1/" + b"n" * 300}), member(b"ok-1/x")))
    case("no-manifest", "archive_no_manifest", Tar(manifest=False).bytes())
    case("deep-manifest", "archive_no_manifest", Tar(manifest=False).file("ok-1/sub/package.toml", MANIFEST).bytes())
    case("empty-tar", "archive_no_manifest", bytes(1024))
    case("several", "archive_several_packages", Tar().file("two-1/package.toml", MANIFEST).bytes())
    # For some, both names are equal.
    spellings = [member(name.encode() + b"-1/package.toml", b"0", len(MANIFEST), MANIFEST) for name in ("\u00e9", "e\u0301")]
    case("several-spellings", "archive_several_packages", b"".join(spellings) + bytes(1024))
    case("stray-file", "archive_stray_entries", Tar().file("README", b"x").bytes())
    case("stray-folder", "archive_stray_entries", Tar().file("other/x", b"x").bytes())
    case("stray-before-several", "archive_stray_entries",
         Tar().file("two-1/package.toml", MANIFEST).file("README", b"x").bytes())
    case("stray-before-none", "archive_stray_entries", Tar(manifest=False).file("README", b"x").bytes())
    many = Tar()
    for index in range(9_999):
        many.file("ok-1/%d" % index)
    case("many", "archive_too_many_entries", many.bytes())
    case("ratio", "archive_too_large", Tar().file("ok-1/zeros", bytes(2_000_000)).bytes())
    case("declared", "archive_too_large", added(member(b"ok-1/x", b"0", 0o77777777777)))
    # One stream of 10 MB, again and again: 4 GB behind the end of the tar, or as a member.
    zeros = bz2.compress(bytes(10_000_000), 9)
    case("zeros-after-end", "archive_too_large", half, lambda data: bz2.compress(data, 9) + zeros * 400)
    case("negative", "archive_corrupt", added(summed(member(b"ok-1/x"), {124: b"-0000000001\0"})))
    case("no-number", "archive_corrupt", added(summed(member(b"ok-1/x"), {124: b"9999999999x\0"})))
    case("binary-size", "archive_too_large", added(summed(member(b"ok-1/x"), {124: b"\x80" + bytes(5) + b"\x7f" * 6})))
    case("binary-overflow", "archive_corrupt", added(summed(member(b"ok-1/x"), {124: b"\xff" * 12})))
    # The form of before.
    legacy = io.BytesIO()
    with tarfile.open(fileobj=legacy, mode="w") as tar:
        info = tarfile.TarInfo("workflow/x.py")
        tar.addfile(info, io.BytesIO())
    case("legacy-no-manifest", "archive_no_manifest", legacy.getvalue(), lambda data: gzip.compress(data, mtime=0))
    case("legacy-truncated", "archive_truncated", legacy.getvalue(), lambda data: gzip.compress(data, mtime=0)[:-12])
    print(json.dumps(cases))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "pack":
        pack(arguments[0], arguments[1], int(arguments[2]), arguments[3])
    elif command == "digest":
        digest_of(arguments[0])
    else:
        hostile(arguments[0])
