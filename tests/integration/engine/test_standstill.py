"""A process that was not allowed to run has not hung: limits stand still while it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_POLICY = """
import time
from pathlib import Path
from mmact_eval import registry

def make(env_spec, mark):
    inner = registry.make_policy("toy", {}, env_spec)
    class Slow:
        spec = inner.spec
        def reset(self, episodes): ...
        def act(self, queries):
            Path(mark).touch()
            time.sleep(0.5)
            return inner.act(queries)
    return Slow()
"""
_STANDSTILL = 6.0


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it never got so far"
        time.sleep(0.02)


def stopped_for_a_while(command: list[str], happened: Callable[[], bool], whole_group: bool) -> tuple[int, str]:
    """Run a command that is stopped once something has happened, and goes on later: its exit code and last words."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_for(happened)
        send = os.killpg if whole_group else os.kill
        send(process.pid, signal.SIGSTOP)
        time.sleep(_STANDSTILL)
        send(process.pid, signal.SIGCONT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, said


def run_command(out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--tasks", "easy", "--out", str(out), *options]


def attempts(out: Path) -> list[tuple[str, int]]:
    lines = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    return [(line["outcome"], line["attempts"]) for line in lines]


@pytest.mark.parametrize(
    ("whole_group", "replicas"),
    [(True, 0), (False, 0), (True, 2)],
    ids=["with its workers", "the engine alone", "with replicas of the policy"],
)
def test_a_policy_is_not_late_for_the_time_in_which_it_could_not_run(
    tmp_path: Path, whole_group: bool, replicas: int
) -> None:
    (tmp_path / "slow.py").write_text(_POLICY)
    mark, out = tmp_path / "mark", tmp_path / "run"
    policy = ["--policy", f"{tmp_path / 'slow.py'}:make", "--policy-args", f"mark={mark}"]
    command = run_command(out, *policy, "--policy-timeout", "3", "--episodes", "2")
    command += ["--policy-replicas", str(replicas)]
    code, said = stopped_for_a_while(command, mark.exists, whole_group)
    assert code == 0, said
    assert attempts(out) == [("success", 1)] * 2


def test_an_environment_is_not_late_for_the_time_in_which_it_could_not_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = ["env_args.step_seconds=0.1", "protocol.max_steps=15", "protocol.episode_timeout=4.0"]
    chosen = [part for setting in settings for part in ("--set", setting)]
    command = run_command(out, "--policy", "noop", "--episodes", "3", *chosen)
    code, said = stopped_for_a_while(command, lambda: (out / "episodes.jsonl").exists() and bool(attempts(out)), True)
    assert code == 0, said
    assert attempts(out) == [("failure", 1)] * 3


_WATCHED = """
import ctypes, sys, time
from pathlib import Path
from mmact_eval.engine.limits import hard_deadline

hard_deadline._SLACK = 0.0
with hard_deadline.HardDeadline(3.0):
    Path(sys.argv[1]).touch()
    {hang}
print("done", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("hang", "code", "says"),
    [("time.sleep(1.0)", 0, "done"), ("ctypes.CDLL(None).sleep(3600)", 1, "give the same command again")],
    ids=["no hang", "in C code"],
)
def test_the_last_resort_ends_what_hangs_and_not_what_stood_still(
    tmp_path: Path, hang: str, code: int, says: str
) -> None:
    script, mark = tmp_path / "watched.py", tmp_path / "mark"
    script.write_text(_WATCHED.format(hang=hang))
    ended, said = stopped_for_a_while([sys.executable, str(script), str(mark)], mark.exists, True)
    assert ended == code, said
    assert says in said
    assert ("watched.py" in said) == (code == 1)  # where it hangs
