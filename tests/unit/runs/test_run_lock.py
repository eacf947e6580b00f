"""A folder has one run at a time, on file systems with and without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.errors import RunFolderError
from mmact_eval.runs.files.lock import RunLock, not_written
from mmact_eval.runs.folder import RunFolder


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not know flock."""

    def flock(*_: Any) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


def ended_process() -> int:
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def test_who_holds_a_folder_is_named_with_host_and_time(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    host = platform.node()
    with pytest.raises(RunFolderError, match=rf"in use by process {os.getpid()} on {host} since \d{{4}}-.*--out"):
        RunLock(tmp_path)
    lock.release()
    RunLock(tmp_path).release()
    assert not lock.warning


def test_a_run_that_starts_while_its_folder_is_merged_is_not_told_of_the_process_before(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text(f"process {ended_process()} on {platform.node()} since 2024-01-01T00:00:00")
    with not_written(tmp_path), pytest.raises(RunFolderError, match="in use by a program that reads it, such as"):
        RunLock(tmp_path)
    RunLock(tmp_path).release()


def test_without_locks_a_run_goes_on_with_a_warning_and_still_keeps_others_out(tmp_path: Path, no_locks: None) -> None:
    with RunFolder(tmp_path) as store:
        (warning,) = store.warnings
        assert "has no locks" in warning
        assert str(tmp_path / "run.holder") in warning
        with pytest.raises(RunFolderError, match=rf"in use by process {os.getpid()} on .*run\.holder"):
            RunFolder(tmp_path)
    with RunFolder(tmp_path):
        pass
    assert not (tmp_path / "run.holder").exists()


def test_without_locks_a_holder_of_this_machine_that_has_ended_is_replaced(tmp_path: Path, no_locks: None) -> None:
    (tmp_path / "run.holder").write_text(f"process {ended_process()} on {platform.node()} since 2024-01-01T00:00:00")
    lock = RunLock(tmp_path)
    assert f"process {os.getpid()} " in (tmp_path / "run.holder").read_text()
    lock.release()


@pytest.mark.parametrize("holder", ["process {pid} on another-host since 2024-01-01T00:00:00", "", "something else"])
def test_without_locks_a_holder_that_nobody_can_ask_is_named_and_respected(
    tmp_path: Path, no_locks: None, holder: str
) -> None:
    text = holder.format(pid=ended_process())
    (tmp_path / "run.holder").write_text(text)
    with pytest.raises(RunFolderError, match=rf"in use by {text or 'another process'}.*If it is over, delete"):
        RunLock(tmp_path)
    assert (tmp_path / "run.holder").read_text() == text


def test_what_an_ended_run_left_in_its_lock_file_keeps_nobody_out(tmp_path: Path, no_locks: None) -> None:
    (tmp_path / "run.lock").write_text(f"process {ended_process()}")
    RunLock(tmp_path).release()


def test_a_folder_in_which_nothing_was_written_is_as_it_was(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "new" / "run"):
        assert (tmp_path / "new" / "run" / "run.lock").exists()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "notes.txt").touch()
    with RunFolder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with RunFolder(tmp_path) as store:
        store.open_episodes()
    assert (tmp_path / "run.lock").exists()
    with RunFolder(tmp_path):
        pass
    assert (tmp_path / "run.lock").exists(), "it was there before"


def test_a_lock_file_that_was_taken_away_while_it_was_opened_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def deleted_first(file: Any, operation: int) -> None:
        (tmp_path / "run.lock").unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", deleted_first)
    with pytest.raises(RunFolderError, match="in use by another process that is just ending"):
        RunLock(tmp_path)
