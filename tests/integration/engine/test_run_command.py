"""`mmact-eval run`: which reports it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def reports_of(folder: Path, *options: str) -> list[str]:
    arguments = ["--suite", "toy", "--policy", "random", "--tasks", "0", "--episodes", "1", "--out", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "mmact_eval", "run", *arguments, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return sorted(file.name for file in folder.iterdir() if file.suffix in (".csv", ".md", ".html", ".tex"))


def test_the_reports_asked_for_are_written_and_none_if_none_is(tmp_path: Path) -> None:
    assert reports_of(tmp_path / "none", "--format", "none") == []
    assert reports_of(tmp_path / "two", "--format", "html,latex", "--format", "html") == ["report.html", "report.tex"]
    assert reports_of(tmp_path / "usual") == ["episodes.csv", "report.csv", "report.md"]


def test_a_format_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r'unknown report "htlm".* Did you mean "html"'):
        reports_of(tmp_path / "run", "--format", "htlm")
    assert not (tmp_path / "run").exists()
