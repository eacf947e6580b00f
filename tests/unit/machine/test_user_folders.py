"""Cache folders and ``~`` on machines whose user has no home, or one that cannot be written to."""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
from pathlib import Path

import pytest

from mmact_eval import cli
from mmact_eval.errors import UsageError
from mmact_eval.machine import user_folders
from mmact_eval.machine.user_folders import cache_folder, ensure_home, expanded, for_writing


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user with a home, and a temporary folder; no variable names a cache."""
    for name in ("MMACT_EVAL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is started with a user's number only."""

    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def temporary(machine: Path) -> Path:
    return machine / "tmp" / f"mmact-eval-{os.getuid()}"


def test_the_variable_names_the_cache(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", "~/kept")
    assert cache_folder() == machine / "home" / "kept"
    assert not cache_folder().exists()


def test_without_it_the_cache_is_in_the_users_cache_folder(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == machine / "home" / ".cache" / "mmact-eval"
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine / "elsewhere"))
    assert cache_folder() == machine / "elsewhere" / "mmact-eval"
    assert not list((machine / "home").iterdir()), "asking makes nothing"


def test_a_cache_folder_that_cannot_be_made_is_passed_over(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine / "file"))
    assert cache_folder() == machine / "home" / ".cache" / "mmact-eval"
    monkeypatch.setenv("HOME", str(machine / "file" / "home"))
    assert cache_folder() == temporary(machine)
    assert user_folders.is_temporary(cache_folder())
    assert temporary(machine).stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_to_is_passed_over(machine: Path) -> None:
    (machine / "home").chmod(0o500)
    assert cache_folder() == temporary(machine)


@pytest.mark.usefixtures("no_home")
def test_without_a_home_the_cache_is_in_the_temporary_folder(machine: Path) -> None:
    assert cache_folder() == temporary(machine)


@pytest.mark.usefixtures("no_home")
def test_a_temporary_folder_that_others_could_write_to_is_refused(machine: Path) -> None:
    temporary(machine).mkdir()
    temporary(machine).chmod(0o777)
    with pytest.raises(UsageError, match="only this user can write to: set MMACT_EVAL_CACHE"):
        cache_folder()
    temporary(machine).rmdir()
    (machine / "theirs").mkdir(mode=0o700)
    temporary(machine).symlink_to(machine / "theirs")
    with pytest.raises(UsageError, match="MMACT_EVAL_CACHE"):
        cache_folder()


@pytest.mark.usefixtures("no_home")
def test_where_nothing_can_be_written_the_variable_is_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(machine / "file"))
    with pytest.raises(UsageError, match="set MMACT_EVAL_CACHE"):
        cache_folder()


def test_a_folder_for_writing_is_made_or_its_variable_named(machine: Path) -> None:
    assert for_writing(machine / "a" / "b").is_dir()
    assert not list((machine / "a" / "b").iterdir())
    (machine / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*/file/numba .*: set NUMBA_CACHE_DIR"):
        for_writing(machine / "file" / "numba", "NUMBA_CACHE_DIR")


def test_a_tilde_is_the_users_home_and_other_paths_are_left_alone(machine: Path) -> None:
    assert expanded("~/suites/my.yaml") == machine / "home" / "suites" / "my.yaml"
    assert expanded("a/~/b") == Path("a/~/b")
    assert expanded("") == Path()
    with pytest.raises(UsageError, match="~nobody-has-this-name"):
        expanded("~nobody-has-this-name/my.yaml")


@pytest.mark.usefixtures("no_home")
def test_libraries_are_given_a_home_that_a_typed_tilde_does_not_mean(machine: Path) -> None:
    ensure_home()
    assert Path.home().is_dir()
    assert machine in Path.home().parents
    with pytest.raises(UsageError, match="give the path in full"):
        expanded("~/my.yaml")
    assert cache_folder() == temporary(machine)


@pytest.mark.usefixtures("no_home")
def test_the_named_cache_is_enough_where_there_is_no_temporary_folder(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(machine / "gone"))
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(machine / "kept"))
    ensure_home()
    assert machine / "kept" in Path.home().parents
    assert cache_folder() == machine / "kept"


def test_a_home_that_is_there_is_kept(machine: Path) -> None:
    ensure_home()
    assert Path.home() == machine / "home"


@pytest.mark.usefixtures("no_home")
@pytest.mark.parametrize(
    "command",
    [
        ["run", "--suite", "~/my.yaml", "--policy", "random"],
        ["ablate", "--study", "~/my.yaml", "--suite", "toy", "--policy", "toy"],
        ["list", "tasks", "--suite", "~/my.yaml"],
    ],
)
def test_a_tilde_without_a_home_is_one_message(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mmact-eval", *command])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert '"~/my.yaml"' in said[0]
