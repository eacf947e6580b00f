"""What a plug-in says, and imports, in a process that has just started."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

from mmact_eval.conformance.promise import Broken, Skipped

if TYPE_CHECKING:
    from mmact_eval.protocols import EnvPlugin
    from mmact_eval.suite import Suite

_TIME_LIMIT = 120.0

_CODE = """
import json, pickle, sys
sys.path[:] = json.loads(sys.stdin.buffer.readline())
plugin, suite = pickle.load(sys.stdin.buffer)
tasks = [task.name for task in plugin.tasks(suite)]
plugin.spec(suite)
plugin.versions()
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print("\\n" + json.dumps({"tasks": tasks, "loaded": loaded}))
"""


def imported_by_asking(plugin: EnvPlugin, suite: Suite) -> set[str]:
    """Top-level modules that a fresh process has loaded after `tasks`, `spec` and `versions`.

    Raises:
        Skipped: the plug-in cannot be found by another process.
        Broken: it cannot say these there, or says something else than here.
    """
    if type(plugin).__module__ == "__main__":
        raise Skipped("the plug-in's class is in the main script, where no other process finds it")
    try:
        sent = json.dumps(sys.path).encode() + b"\n" + pickle.dumps((plugin, suite))
    except Exception as error:
        raise Skipped(f"the plug-in cannot be sent to another process ({type(error).__name__}: {error})") from error
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE], input=sent, capture_output=True, check=False, timeout=_TIME_LIMIT
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"a fresh process took longer than {_TIME_LIMIT:g} s") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Broken(f"in a fresh process: {''.join(last) or f'exit code {done.returncode}'}")
    told = json.loads(done.stdout.decode().splitlines()[-1])
    here = [task.name for task in plugin.tasks(suite)]
    if told["tasks"] != here:
        raise Broken(f"the tasks are {told['tasks']} in a fresh process and {here} here")
    return set(told["loaded"])
