"""What the engine opens itself (logs, processes, threads) and cannot get is said in a sentence, or done without."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.log_file import LogFile
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import RunFolderError
from mmact_eval.runs.reading import read_episodes, read_sessions
from mmact_eval.runs.runner import RunRequest, execute


def run_command(out: Path, *options: str) -> list[str]:
    chosen = ["--suite", "toy", "--policy", "random", "--episodes", "2", "--out", str(out)]
    return [sys.executable, "-m", "mmact_eval", "run", *chosen, *options]


def limited(command: list[str], limit: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=limit)


def test_logs_that_cannot_be_opened_stop_no_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("worker-0.log", "engine.log"):
        (tmp_path / "logs" / name).mkdir(parents=True)  # which not even root can write into
    broken = Path(__file__).parents[2] / "helpers" / "broken_policies.py"
    request = RunRequest(load_suite("toy"), f"{broken}:raises", episodes=2, out=tmp_path, options=EngineOptions())
    outcome = execute(request)
    assert [result.outcome == "error" for result in outcome.results] == [False, True] * 2
    said = capfd.readouterr().err
    assert "worker-0.log (Is a directory)" in caplog.text
    assert "RuntimeError: out of memory, say" in said  # the log's lines, on the terminal then
    assert "Logging error" not in said


def test_a_log_on_a_full_disk_goes_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    with LogFile("/dev/full"):
        logging.getLogger("mmact_eval.anything").warning("what the policy said")
    said = capfd.readouterr().err
    assert said.strip() == "what the policy said"


def test_too_few_open_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))

    ended = limited(run_command(tmp_path / "run", "--workers", "8"), few_files)
    assert ended.returncode == 1
    assert "Too many open files" in ended.stderr
    assert "ulimit -n" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert subprocess.run(run_command(tmp_path / "run"), capture_output=True).returncode == 0


_NO_THREADS = """
import sys, threading
start = threading.Thread.start
def refused(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refused
from mmact_eval.cli import main
sys.argv = ["mmact-eval", *sys.argv[1:]]
main()
"""


def test_too_few_threads_are_named_with_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _NO_THREADS, *run_command(tmp_path / "run")[3:]]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "can't start new thread" in ended.stderr
    assert "ulimit -u" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("name", "read"), [("episodes.jsonl", read_episodes), ("sessions.jsonl", read_sessions)])
def test_a_file_of_a_run_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / name).mkdir()  # which not even root can read as a file
    with pytest.raises(RunFolderError, match=rf"cannot read .*{name}: Is a directory"):
        read(tmp_path)
