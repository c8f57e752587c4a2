"""cloacina_engine.py LIBRARY PACKAGE WORKFLOW CONTEXT: runs a workflow of a plugin in Cloacina's engine and prints how it
ended as one line of JSON. PYTHONPATH leads to the engine; the working folder is the engine's own."""
import json
import os
import pathlib
import subprocess
import sys
import time

library, package, workflow, context = sys.argv[1:]
folder = pathlib.Path.cwd()
# The engine's log goes to stdout.
answers = os.fdopen(os.dup(1), "w", encoding="ascii")
os.dup2(2, 1)
os.environ["TMPDIR"] = str(folder)
import cloaca  # noqa: E402 (it reads TMPDIR)


def run_once_loaded():
    """The test that runs this ends it where it takes for ever."""
    while True:
        try:
            return runner.execute(workflow, cloaca.Context(json.loads(context)))
        except ValueError as error:
            if "not found" not in str(error).lower():
                raise
        time.sleep(0.05)


url = f"sqlite://{folder}/engine.db"
# It makes the tables before it is there.
cloaca.DefaultRunner(url).shutdown()
put = pathlib.Path(__file__).with_name("cloacina_package.py")
subprocess.run([sys.executable, "-B", put, library, package, workflow], check=True)
runner = cloaca.DefaultRunner(url)
try:
    result = run_once_loaded()
    answer = {"status": result.status, "context": result.final_context.to_dict(), "error": result.error_message,
              "crons": [row["workflow_name"] for row in runner.list_cron_schedules(False, 100, 0)]}
    print(json.dumps(answer), file=answers, flush=True)
finally:
    runner.shutdown()
