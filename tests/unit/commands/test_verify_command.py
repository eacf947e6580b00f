"""`verify` finds out before its comparisons whether their table can be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mmact_eval.commands.checks.verify import command
from mmact_eval.errors import UsageError


@pytest.mark.parametrize("out", ["in-the-way/table.md", "folder"])
def test_a_table_that_cannot_be_written_is_found_out_first(tmp_path: Path, out: str) -> None:
    (tmp_path / "in-the-way").write_text("")
    (tmp_path / "folder").mkdir()
    asked = ["--suite", "no-such-suite", "--out", str(tmp_path / out)]
    done = CliRunner().invoke(command, asked, standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert f"cannot write {tmp_path / out}" in str(done.exception)


def test_nothing_is_left_of_the_trial(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        command, ["--suite", "no-such-suite", "--out", str(tmp_path / "t.md")], standalone_mode=False
    )
    assert "no-such-suite" in str(done.exception)
    assert not list(tmp_path.iterdir())
