"""Whatever the output goes to, a command says what it has to say and shows no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mmact_eval.commands import run as run_command
from mmact_eval.errors import RunAborted, Stopped
from mmact_eval.results import reporting
from mmact_eval.runs.reading import read_episodes

PROGRAM = f"{sys.executable} -m mmact_eval"
RUN = "run --suite toy --policy random --episodes 2"


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, errors="replace")
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("closed", ["2>&-", "1>&-", "0<&-", "0<&- 1>&- 2>&-"])
def test_a_closed_stream_does_not_stop_a_run(tmp_path: Path, closed: str) -> None:
    done = shell(f"{PROGRAM} {RUN} --out r {closed}", tmp_path)
    assert done.returncode == 0
    assert len(read_episodes(tmp_path / "r")[0]) == 4
    assert {line.split(",")[0] for line in (tmp_path / "r" / "report.csv").read_text().splitlines()} > {"task"}


@pytest.mark.parametrize("coding", ["latin-1", "ascii", "cp1252", "koi8-r"])
def test_a_terminal_that_is_not_utf_8_gets_plain_letters(tmp_path: Path, coding: str) -> None:
    done = shell(f"{PROGRAM} {RUN} --out r", tmp_path, PYTHONIOENCODING=coding)
    assert done.returncode == 0
    assert "r/report.csv" in done.stdout
    if coding == "latin-1":
        assert "0.0-84.2 %" in done.stdout
    assert shell(f"{PROGRAM} published --suite libero-goal", tmp_path, PYTHONIOENCODING=coding).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_on_a_full_disk_is_one_message_and_the_reports_are_written(tmp_path: Path) -> None:
    done = shell(f"{PROGRAM} {RUN} --out r > /dev/full", tmp_path)
    assert (done.returncode, done.stderr.count("No space left on device")) == (1, 1)
    assert len(read_episodes(tmp_path / "r")[0]) == 4
    assert (tmp_path / "r" / "report.md").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_messages_that_cannot_be_written_do_not_stop_a_run(tmp_path: Path) -> None:
    first = shell(f"{PROGRAM} {RUN} --out r 2> /dev/full", tmp_path)
    again = shell(f"{PROGRAM} {RUN} --video all --out r 2> /dev/full", tmp_path)
    assert (first.returncode, again.returncode) == (0, 0)


@pytest.mark.parametrize("asked", ["doctor", "run --suite toy --policy my_module:make", "list suites"])
def test_a_working_folder_that_is_gone_is_said(tmp_path: Path, asked: str) -> None:
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone && rmdir ../gone && {PROGRAM} {asked}", tmp_path)
    assert (done.returncode, done.stderr.strip()) == (
        2, "Error: the working folder is not there any more; change to one that is (cd)."
    )  # fmt: skip


def test_sigterm_while_the_tables_are_made_says_what_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise Stopped

    monkeypatch.setattr(reporting, "read_report", stopped)
    monkeypatch.setattr("mmact_eval.runs.runner.execute", lambda request: type("Outcome", (), {"folder": tmp_path}))
    asked = ["--suite", "toy", "--policy", "random", "--out", str(tmp_path)]
    done = CliRunner().invoke(run_command.command, asked, standalone_mode=False)
    assert isinstance(done.exception, RunAborted)
    assert "Finished episodes are safe" in str(done.exception)
