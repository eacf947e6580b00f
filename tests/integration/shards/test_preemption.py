"""A run whose place is taken away ends in words, with an exit code of its own, and goes on later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def command(out: Path) -> list[str]:
    return [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "toy", "--episodes", "6",
            "--workers", "2", "--set", "env_args.step_seconds=0.02", "--format", "none", "--out", str(out)]  # fmt: skip


def finished(out: Path) -> list[dict[str, object]]:
    try:
        return [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    except OSError:
        return []


@pytest.mark.parametrize(
    ("sent", "code", "in_job"),
    [(signal.SIGUSR1, 75, True), (signal.SIGUSR2, 75, False), (signal.SIGTERM, 1, True)],
    ids=["USR1 of Slurm", "USR2", "TERM of Slurm"],
)
def test_a_run_that_is_preempted_says_how_to_resume_and_loses_nothing(
    tmp_path: Path, sent: signal.Signals, code: int, in_job: bool
) -> None:
    out = tmp_path / "run"
    job = {"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"} if in_job else {}
    process = subprocess.Popen(
        command(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **job},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not finished(out):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if sent == signal.SIGTERM:
        process.send_signal(sent)
    else:
        os.killpg(process.pid, sent)  # as Slurm does: to each process of the step, and twice
        os.killpg(process.pid, sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    last = said.strip().splitlines()[-1]
    assert f"stopped by {sent.name}. Finished episodes are safe; give the same command again to resume." in last
    assert "`python -m mmact_eval run --suite toy --policy toy --episodes 6 --workers 2" in last
    assert ("`scontrol requeue 12_3`" in last) == in_job
    before = finished(out)
    assert 0 < len(before) < 12
    assert subprocess.run(command(out), capture_output=True, timeout=120).returncode == 0
    after = finished(out)
    assert after[: len(before)] == before
    assert [line["outcome"] for line in after] == ["success"] * 12
    assert {line["attempts"] for line in after} == {1}


def test_a_server_ends_when_its_place_is_taken_away(tmp_path: Path) -> None:
    pytest.importorskip("websockets")
    serve = [sys.executable, "-m", "mmact_eval", "serve", "--policy", "random", "--suite", "toy", "--port", "0"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    assert any("://" in line for line in server.stdout)
    server.send_signal(signal.SIGUSR1)
    assert server.wait(timeout=30) == 0
