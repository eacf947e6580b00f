"""One of a thing is not several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmact_eval.results.reporting import read_report
from mmact_eval.wording import counted


def test_numbers_of_things_are_english() -> None:
    assert [counted(n, "error") for n in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]
    assert counted(1, "query has", "queries have") == "1 query has"


def test_a_summary_of_one_error_says_so(make_run: Callable[..., Path]) -> None:
    (arm,) = read_report([make_run("a", {"cup": "SE"})]).runs
    assert any(text.startswith("1 episode was an error,") for text in arm.summary.warnings)
