"""cloacina_engine.py LIBRARY PACKAGE WORKFLOW CONTEXT: runs a workflow of a plugin in Cloacina's engine and prints how it
ended as one line of JSON. PYTHONPATH leads to the engine; the working folder is the engine's own.

The engine loads a library out of a package's row, beside the archive in its registry: both are put there as the server
and its compiler would."""
import bz2
import io
import json
import os
import pathlib
import sqlite3
import sys
import tarfile
import time
import uuid

library, package, workflow, context = sys.argv[1:5]
folder = pathlib.Path.cwd()
# The engine's log goes to stdout.
answers = os.fdopen(os.dup(1), "w", encoding="ascii")
os.dup2(2, 1)
os.environ["TMPDIR"] = str(folder)
import cloaca  # noqa: E402 (it reads TMPDIR)


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


def until(look):
    """The test that runs this ends it where it takes for ever."""
    while (found := look()) is None:
        time.sleep(0.05)
    return found


def has_tables():
    tables = {name for (name,) in database.execute("select name from sqlite_master")}
    return True if {"workflow_registry", "workflow_packages"} <= tables else None


def put_package():
    registry_id, package_id = uuid.uuid4(), uuid.uuid4()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    metadata = {"package_name": package, "workflow_name": workflow, "version": "0.1.0", "description": None,
                "author": None, "tasks": [], "graph_data": None, "architecture": "x86_64", "symbols": []}
    (folder / "cloacina_registry").mkdir(exist_ok=True)
    (folder / "cloacina_registry" / f"{registry_id}.so").write_bytes(archive())
    rows = {
        "workflow_registry": {"id": registry_id.bytes, "created_at": now, "data": b""},
        "workflow_packages": {
            "id": package_id.bytes, "registry_id": registry_id.bytes, "package_name": package, "version": "0.1.0",
            "metadata": json.dumps(metadata), "storage_type": "filesystem", "created_at": now, "updated_at": now,
            "compiled_data": pathlib.Path(library).read_bytes(), "build_status": "success", "content_hash": "x"},
    }
    with database:
        for table, row in rows.items():
            places = ",".join("?" * len(row))
            database.execute(f"insert into {table}({','.join(row)}) values({places})", tuple(row.values()))


def run_when_loaded():
    try:
        return runner.execute(workflow, cloaca.Context(json.loads(context)))
    except ValueError as error:
        if "not found" not in str(error).lower():
            raise
        return None


url = f"sqlite://{folder}/engine.db"
runner = cloaca.DefaultRunner(url)
database = sqlite3.connect(folder / "engine.db", timeout=60)
until(has_tables)
runner.shutdown()
put_package()
runner = cloaca.DefaultRunner(url)
try:
    result = until(run_when_loaded)
    answer = {"status": result.status, "context": result.final_context.to_dict(), "error": result.error_message,
              "crons": [row["workflow_name"] for row in runner.list_cron_schedules(False, 100, 0)]}
    print(json.dumps(answer), file=answers, flush=True)
finally:
    runner.shutdown()
