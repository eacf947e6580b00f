"""``run.holder`` keeps a second writer out where the kernel's locks do not, and is taken over when its run is over."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.machine import file_systems
from mmact_eval.runs.files import holder, lock
from mmact_eval.runs.files.holder import NAME, HolderFile, InUse
from mmact_eval.runs.files.lock import RunLock, not_written
from mmact_eval.runs.folder import RunFolder
from mmact_eval.types import Episode, EpisodeResult


@pytest.fixture(autouse=True)
def short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "WATCH", 0.2)


@pytest.fixture(params=["no locks", "locks of this machine alone"])
def network_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no locks, or one that grants the same lock to everybody."""

    def flock(*_: Any) -> None:
        if request.param == "no locks":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(lock, "may_be_shared", lambda folder: True)


def elsewhere(folder: Path, seconds_ago: float, host: str = "node7", key: str = "k1") -> Path:
    """What a run on another machine has left, its heart having beaten for the last time so long ago."""
    file = folder / NAME
    file.write_text(f"process 12 on {host} since 2026-01-01T00:00:00+00:00\nboot: other\nnumbers: n\nkey: {key}\n")
    os.utime(file, times=(time.time() - seconds_ago,) * 2)
    return file


def test_who_holds_a_network_disk_is_named_with_host_process_and_when_it_was_seen(
    tmp_path: Path, network_disk: None
) -> None:
    elsewhere(tmp_path, 14)
    with pytest.raises(RunFolderError, match=r"in use by process 12 on node7 since .*, last seen 1[45] s ago\. Wait"):
        RunLock(tmp_path)


def test_a_run_that_was_killed_elsewhere_is_taken_over_and_that_is_said(tmp_path: Path, network_disk: None) -> None:
    elsewhere(tmp_path, 3600)
    taken = RunLock(tmp_path)
    assert "was taken over from process 12 on node7" in taken.warning
    assert f"process {os.getpid()} on {platform.node()}" in (tmp_path / NAME).read_text()
    with pytest.raises(RunFolderError, match=f"in use by process {os.getpid()}"):
        RunLock(tmp_path)
    taken.release()
    assert not list(tmp_path.glob(f"*{NAME}*"))


def test_a_heart_that_still_beats_is_no_dead_one_whatever_the_clock_says(
    tmp_path: Path, network_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's clock has jumped: the last beat seems to be an hour old, and the next comes."""
    file = elsewhere(tmp_path, 3600)
    real = time.sleep

    def beats_meanwhile(seconds: float) -> None:
        os.utime(file)
        real(seconds)

    monkeypatch.setattr(time, "sleep", beats_meanwhile)
    with pytest.raises(RunFolderError, match="in use by process 12 on node7"):
        RunLock(tmp_path)


@pytest.mark.parametrize("ago", [-7200.0, 3600.0])
def test_a_dead_run_is_found_on_either_side_of_a_jump_of_the_clock(
    tmp_path: Path, network_disk: None, ago: float
) -> None:
    elsewhere(tmp_path, ago)
    RunLock(tmp_path).release()


def test_a_process_of_another_container_is_not_dead_because_its_number_is_unknown_here(
    tmp_path: Path, network_disk: None
) -> None:
    elsewhere(tmp_path, 5, host=platform.node())
    with pytest.raises(RunFolderError, match="in use by process 12 on"):
        RunLock(tmp_path)


def test_a_number_that_was_given_to_another_process_holds_nothing(tmp_path: Path, network_disk: None) -> None:
    held = RunLock(tmp_path)
    text = (tmp_path / NAME).read_text()
    held.release()
    (tmp_path / NAME).write_text(re.sub(r"began: \d+", "began: 1", text).replace("key: ", "key: x"))
    RunLock(tmp_path).release()


@pytest.mark.parametrize("number", [str(10**30), "9" * 5000, str(2**31), "0", "-5", "twelve"])
def test_a_number_that_no_process_can_have_is_nobody_that_can_be_asked(
    tmp_path: Path, network_disk: None, number: str
) -> None:
    text = f"process {number} on {platform.node()} since 2026-01-01T00:00:00+00:00\n"
    (tmp_path / NAME).write_text(text)
    with pytest.raises(RunFolderError, match=r"in use by process .*If it is over, delete"):
        RunLock(tmp_path)
    with pytest.raises(RunFolderError, match="in use by"), not_written(tmp_path):
        pass
    (tmp_path / NAME).write_text(f"{text}key: k\n")
    os.utime(tmp_path / NAME, times=(time.time() - 500,) * 2)
    RunLock(tmp_path).release()


def test_who_was_taken_over_while_it_stood_still_writes_nothing_more(tmp_path: Path, network_disk: None) -> None:
    result = EpisodeResult(Episode("toy", "easy", 0, 0), "success")
    with RunFolder(tmp_path) as store:
        store.open_episodes()
        store.append(result)
        size = (tmp_path / "episodes.jsonl").stat().st_size
        elsewhere(tmp_path, 1)  # another has come after it
        with pytest.raises(RunAborted, match=r"taken over by process 12 on node7 .* while this process stood still"):
            store.append(result)
        with pytest.raises(RunAborted, match="taken over"):
            store.add_session(event="end")
    assert (tmp_path / "episodes.jsonl").stat().st_size == size
    assert "node7" in (tmp_path / NAME).read_text(), "the other's"


def test_a_clean_up_that_took_the_file_does_not_end_the_run(tmp_path: Path, network_disk: None) -> None:
    with RunFolder(tmp_path) as store:
        store.open_episodes()
        (tmp_path / NAME).unlink()
        store.append(EpisodeResult(Episode("toy", "easy", 0, 0), "success"))
        with pytest.raises(RunFolderError, match=f"in use by process {os.getpid()}"):
            RunFolder(tmp_path)


def test_of_two_that_succeed_the_same_dead_run_the_slower_finds_the_door_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path, 3600)
    make = holder._make
    faster: dict[str, HolderFile] = {}

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(holder, "_make", make)
        faster["one"] = HolderFile(tmp_path)
        make(*arguments)

    monkeypatch.setattr(holder, "_make", overtaken)
    with pytest.raises(InUse):
        HolderFile(tmp_path)
    assert faster["one"].is_ours()


def test_one_whose_predecessor_was_succeeded_and_released_meanwhile_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path, 3600)
    make = holder._make

    def everything_happens(*arguments: Any) -> None:
        monkeypatch.setattr(holder, "_make", make)
        HolderFile(tmp_path).release()
        make(*arguments)

    monkeypatch.setattr(holder, "_make", everything_happens)
    late = HolderFile(tmp_path)
    assert late.is_ours()
    with pytest.raises(InUse):
        HolderFile(tmp_path)
    late.release()
    assert list(tmp_path.iterdir()) == []


def test_without_hard_links_it_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    elsewhere(tmp_path, 3600)
    held = HolderFile(tmp_path)
    with pytest.raises(InUse):
        HolderFile(tmp_path)
    held.release()
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_was_made_although_the_server_said_no_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link: Callable[..., None] = os.link

    def answer_lost(*arguments: Any) -> None:
        link(*arguments)
        raise FileExistsError

    monkeypatch.setattr(os, "link", answer_lost)
    assert HolderFile(tmp_path).is_ours()


def test_what_is_being_written_is_not_read_and_reading_leaves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with not_written(run):
        assert list(run.iterdir()) == []
    held = RunLock(run)
    with pytest.raises(RunFolderError, match="in use by process"), not_written(run):
        pass
    held.release()
    with not_written(run), pytest.raises(RunFolderError, match="in use"):
        RunLock(run)
    elsewhere(run, 5)
    with pytest.raises(RunFolderError, match="in use by process 12 on node7"), not_written(run):
        pass


def test_the_kind_of_a_file_system_is_that_of_the_innermost_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        "2 1 0:50 / /scratch rw,relatime shared:1 - lustre a@tcp:/fs rw,localflock\n"
        "3 1 0:51 / /home\\040of\\040all rw - nfs4 server:/home rw\n"
        "4 2 0:52 / /scratch/mine rw - fuse.sshfs x rw\nodd line\n"
    )
    monkeypatch.setattr(file_systems, "_MOUNTS", mounts)
    kinds = {name: file_systems.kind(Path(name)) for name in ("/tmp", "/scratchy", "/scratch/a", "/scratch/mine/a")}
    assert kinds == {"/tmp": "ext4", "/scratchy": "ext4", "/scratch/a": "lustre", "/scratch/mine/a": "fuse.sshfs"}
    assert file_systems.may_be_shared(Path("/home of all/runs"))
    assert not file_systems.may_be_shared(Path("/var"))
    monkeypatch.setattr(file_systems, "_MOUNTS", tmp_path / "none")
    assert not file_systems.may_be_shared(Path("/home of all/runs"))


_RACER = """
import errno, fcntl, os, platform, sys
from pathlib import Path
from mmact_eval.errors import RunFolderError
from mmact_eval.runs.files import holder, lock

def flock(*_):
    raise OSError(errno.ENOLCK, "no locks")

fcntl.flock, holder.WATCH, platform.node = flock, 0.0, lambda: f"{sys.argv[2]}-{won}"
folder, inside, won = Path(sys.argv[1]), Path(sys.argv[1]) / "inside", 0
print("ready", flush=True)
sys.stdin.readline()
while won < 200:
    try:
        held = lock.RunLock(folder)
    except RunFolderError:
        continue
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # FileExistsError: two writers
    inside.unlink()
    won += 1
    if won % 4:
        held.release()
    else:  # dies: its heart beats no more
        held._holder._over.set()
        os.utime(folder / "run.holder", times=(1.0, 1.0))
print(won)
"""


def test_two_processes_that_race_for_a_folder_are_never_in_it_together(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, "-c", _RACER, str(folder)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    racers = [subprocess.Popen([*command, host], text=True, **pipes) for host in ("node1", "node2")]  # type: ignore[call-overload]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    ends = [racer.communicate(timeout=240) for racer in racers]
    assert [out for out, _ in ends] == ["200\n", "200\n"], ends
