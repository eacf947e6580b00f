"""What a plug-in says, and imports, in a process that has just started."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from mmact_eval.conformance.promise import Broken, Skipped

if TYPE_CHECKING:
    from mmact_eval.protocols import EnvPlugin, Task
    from mmact_eval.suite import Suite
    from mmact_eval.types import Episode

_TIME_LIMIT = 120.0
_SCENE_TIME_LIMIT = 600.0

_BEGIN = """
import json, pickle, sys
sys.path[:] = json.loads(sys.stdin.buffer.readline())
plugin, suite, *more = pickle.load(sys.stdin.buffer)
"""

_CODE = """
tasks = [task.name for task in plugin.tasks(suite)]
plugin.spec(suite)
plugin.versions()
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print("\\n" + json.dumps({"tasks": tasks, "loaded": loaded}))
"""

_SCENE = """
from mmact_eval.protocols import Needs
task, episode = more
plugin.prepare_process(0, 1)
env = plugin.make(suite, task, Needs())
env.begin(episode)
print("\\n" + json.dumps([env.scene_hash(), env.state_hash()]))
env.close()
"""


def imported_by_asking(plugin: EnvPlugin, suite: Suite) -> set[str]:
    """Top-level modules that a fresh process has loaded after `tasks`, `spec` and `versions`.

    Raises:
        Skipped: the plug-in cannot be found by another process.
        Broken: it cannot say these there, or says something else than here.
    """
    told = _answer(plugin, _CODE, (plugin, suite), _TIME_LIMIT)
    here = [task.name for task in plugin.tasks(suite)]
    if told["tasks"] != here:
        raise Broken(f"the tasks are {told['tasks']} in a fresh process and {here} here")
    return set(told["loaded"])


def scene_elsewhere(plugin: EnvPlugin, suite: Suite, task: Task, episode: Episode) -> tuple[str, str]:
    """The hashes of scene and state after `begin` in a fresh process in which `hash` says something else than here.

    Raises:
        Skipped: the plug-in cannot be found by another process.
        Broken: the episode does not begin there.
    """
    scene, state = _answer(plugin, _SCENE, (plugin, suite, task, episode), _SCENE_TIME_LIMIT)
    return scene, state


def _answer(plugin: EnvPlugin, code: str, given: tuple[Any, ...], limit: float) -> Any:
    """What a script that gets these things prints in its last line."""
    if type(plugin).__module__ == "__main__":
        raise Skipped("the plug-in's class is in the main script, where no other process finds it")
    try:
        sent = json.dumps(sys.path).encode() + b"\n" + pickle.dumps(given)
    except Exception as error:
        raise Skipped(f"the plug-in cannot be sent to another process ({type(error).__name__}: {error})") from error
    other_hashes = {**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN + code],
            input=sent,
            capture_output=True,
            check=False,
            timeout=limit,
            env=other_hashes,
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"a fresh process took longer than {limit:g} s") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Broken(f"in a fresh process: {''.join(last) or f'exit code {done.returncode}'}")
    return json.loads(done.stdout.decode().splitlines()[-1])
