"""Artifacts are there as a whole or not at all, in the run folder or on their way to it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mmact_eval.observers.artifacts import Artifacts, CarriedArtifacts, FolderArtifacts, Parcel


def content(folder: Path) -> dict[str, str]:
    found = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in found}


def make(artifacts: Artifacts) -> None:
    """A file and a folder with one in it."""
    with artifacts.place("videos/easy/init00-success.mp4", replaces="init00-*.mp4") as file:
        file.write_text("film")
    with artifacts.place("demonstrations/easy/init00") as folder:
        (folder / "inner").mkdir(parents=True)
        (folder / "frames").write_text("frames")
        (folder / "inner" / "facts").write_text("facts")


MADE = {
    "demonstrations/easy/init00/frames": "frames",
    "demonstrations/easy/init00/inner/facts": "facts",
    "videos/easy/init00-success.mp4": "film",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with artifacts of an earlier attempt, and of another episode."""
    folder = tmp_path / "run"
    for name in ("videos/easy/init00-error.mp4", "videos/easy/init01-error.mp4", "demonstrations/easy/init00/old"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("earlier")
    return folder


def carried() -> Parcel:
    with CarriedArtifacts() as artifacts:
        make(artifacts)
        packed: Parcel = pickle.loads(pickle.dumps(artifacts.packed()))
    return packed


@pytest.mark.parametrize("way", ["written", "carried"])
def test_what_is_made_replaces_what_was_there_of_the_same_episode(folder: Path, way: str) -> None:
    if way == "written":
        make(FolderArtifacts(folder))
    else:
        carried().unpack(folder)
    assert content(folder) == {**MADE, "videos/easy/init01-error.mp4": "earlier"}


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with CarriedArtifacts() as carrying:
        for artifacts in (FolderArtifacts(tmp_path), carrying):
            with pytest.raises(OSError, match="full"), artifacts.place("plans/a.jsonl") as file:  # noqa: PT012
                file.write_text("ha")
                raise OSError("the disk is full")
        assert carrying.packed().files == {}
    assert content(tmp_path) == {}


def test_a_worker_that_was_killed_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".part-a").mkdir()
    (tmp_path / ".part-a" / "half").touch()
    with FolderArtifacts(tmp_path).place("a") as folder:
        folder.mkdir()
        (folder / "whole").touch()
    assert content(tmp_path) == {"a/whole": ""}


def test_a_parcel_is_unpacked_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "demonstrations").touch()  # where a folder should be
    with pytest.raises(OSError, match="demonstrations"):
        carried().unpack(tmp_path)
    assert content(tmp_path) == {"demonstrations": ""}


@pytest.mark.parametrize("name", ["../other/a", "/tmp/a", "plans/../../a", ""])
def test_no_artifact_leads_out_of_the_run_folder(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    with pytest.raises(ValueError, match="no path within"), FolderArtifacts(run).place(name):
        pass
    with pytest.raises(ValueError, match="no path within"):
        Parcel({name: ""}, {name: b"x"}).unpack(run)
    with pytest.raises(ValueError, match="no path within"):
        Parcel({"a": ""}, {"a/../../b": b"x"}).unpack(run)
    assert content(tmp_path) == {}


@pytest.mark.parametrize("name", ["manifest.json", "episodes.jsonl", "./run.lock"])
def test_no_artifact_takes_the_place_of_the_runs_own_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("the run's")
    with pytest.raises(ValueError, match="a file of the run"), FolderArtifacts(tmp_path).place(name):
        pass
    assert (tmp_path / name).read_text() == "the run's"


@pytest.mark.parametrize("pattern", ["../*", "../../a", "**/*", "/tmp/a"])
def test_what_an_artifact_replaces_is_beside_it(folder: Path, pattern: str) -> None:
    before = content(folder)
    with pytest.raises(ValueError, match="is no pattern of names"), FolderArtifacts(folder).place("videos/a", pattern):
        pass
    with pytest.raises(ValueError, match="is no pattern of names"):
        Parcel({"videos/a": pattern}, {"videos/a": b"x"}).unpack(folder)
    assert content(folder) == before


def test_what_fails_replaces_nothing(folder: Path) -> None:
    before = content(folder)
    with (
        pytest.raises(OSError, match="full"),
        FolderArtifacts(folder).place("videos/easy/init00-a.mp4", "init00-*.mp4"),
    ):
        raise OSError("the disk is full")
    assert content(folder) == before


def test_a_file_takes_the_place_of_a_folder(folder: Path) -> None:
    with FolderArtifacts(folder).place("demonstrations/easy/init00") as file:
        file.write_text("one file")
    assert content(folder)["demonstrations/easy/init00"] == "one file"
