"""cloacina_package.py LIBRARY PACKAGE WORKFLOW: puts a plugin into the database of the engine whose folder this is, as
its server and its compiler would: the library in the package's row, beside the archive in the registry.

A process of its own: where two copies of SQLite in one process open the same file, each takes the other's locks away, and
the engine dies by a file that is cut short under it."""
import bz2
import io
import json
import pathlib
import sqlite3
import sys
import tarfile
import time
import uuid

library, package, workflow = sys.argv[1:]


def archive():
    manifest = f"""[package]
name = "{package}"
version = "0.1.0"
interface = "cloacina-workflow-plugin"
interface_version = 1
extension = "cloacina"

[metadata]
language = "rust"
workflow_name = "{workflow}"
"""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT) as writer:
        for path, text in {"Cargo.toml": "", "package.toml": manifest, "src/lib.rs": ""}.items():
            member = tarfile.TarInfo(f"{package}-0.1.0/{path}")
            member.size = len(text)
            writer.addfile(member, io.BytesIO(text.encode()))
    return bz2.compress(tar.getvalue())


registry_id, package_id = uuid.uuid4(), uuid.uuid4()
now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
metadata = {"package_name": package, "workflow_name": workflow, "version": "0.1.0", "description": None,
            "author": None, "tasks": [], "graph_data": None, "architecture": "x86_64", "symbols": []}
registry = pathlib.Path("cloacina_registry")
registry.mkdir(exist_ok=True)
(registry / f"{registry_id}.so").write_bytes(archive())
rows = {
    "workflow_registry": {"id": registry_id.bytes, "created_at": now, "data": b""},
    "workflow_packages": {
        "id": package_id.bytes, "registry_id": registry_id.bytes, "package_name": package, "version": "0.1.0",
        "metadata": json.dumps(metadata), "storage_type": "filesystem", "created_at": now, "updated_at": now,
        "compiled_data": pathlib.Path(library).read_bytes(), "build_status": "success", "content_hash": "x"},
}
with sqlite3.connect("engine.db", timeout=60) as database:
    for table, row in rows.items():
        places = ",".join("?" * len(row))
        database.execute(f"insert into {table}({','.join(row)}) values({places})", tuple(row.values()))
