"""The study of published steps is what its program computes of the package's table today."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_document_has_the_numbers_of_the_program() -> None:
    program = runpy.run_path(str(ROOT / "benchmarks" / "calvin_intervals.py"))
    text = (ROOT / "docs" / "calvin-intervals.md").read_text(encoding="utf-8")
    assert program["report"]() in text
