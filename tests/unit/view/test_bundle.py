"""A bundle is there as a whole or not at all, and takes nobody's place."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import UsageError
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.view.bundle import write_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    suite = load_suite("toy", ["protocol.replan=4"])
    execute(RunRequest(suite, "toy", episodes=2, out=folder / "toy", video="all", progress=False))
    return folder


def data(out: Path) -> dict[str, dict[str, object]]:
    text = (out / "data.js").read_text()
    assert text.startswith("window.VIEW = ")
    found: dict[str, dict[str, object]] = json.loads(text.removeprefix("window.VIEW = ").rstrip(";\n"))
    return found


def test_everything_is_in_it(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "site"
    assert "1 report" in write_bundle([made], out)
    (item,) = data(out)["items"].values()
    assert isinstance(item, dict)
    report = out / item["report"]
    assert report.is_file()
    assert len(list(report.parent.glob("*.mp4"))) == 4
    assert "data.js" in (out / "index.html").read_text()
    assert sorted(path.name for path in out.parent.iterdir()) == ["site"]


def test_videos_can_be_left_out_and_an_earlier_bundle_is_replaced(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_bundle([made], out)
    write_bundle([made], out, videos=False)
    assert list(out.rglob("*.mp4")) == []
    assert "left out" in str(data(out)["note"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_nothing_of_others_is_overwritten(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, made, tmp_path / "mine.txt"):
        with pytest.raises(UsageError):
            write_bundle([made], out)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (made / "toy" / "manifest.json").is_file()
    (tmp_path / "empty").mkdir()
    write_bundle([made], tmp_path / "empty")


def test_that_an_earlier_bundle_is_replaced_is_said_and_nothing_that_was_put_into_it_is_lost(
    made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "site"
    assert "replaced" not in write_bundle([made], out)
    said = write_bundle([made], out)
    assert re.search(r" The bundle that was there, of \d{4}-\d\d-\d\d \d\d:\d\d UTC, is replaced\.$", said)
    assert "\n" not in said
    before = (out / "data.js").read_bytes()
    for foreign in (out / "CNAME", out / "reports" / "mine.html"):
        foreign.write_text("example.org")
        with pytest.raises(UsageError, match=f"which would be lost: {foreign.relative_to(out)}. Move it"):
            write_bundle([made], out)
        assert (foreign.read_text(), (out / "data.js").read_bytes()) == ("example.org", before)
        foreign.unlink()
    (tmp_path / "link").symlink_to(out)
    write_bundle([made], tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "site"]
    (out / "view-bundle.json").write_text("{}")
    with pytest.raises(UsageError, match="something else than a bundle"):
        write_bundle([made], out)


def test_a_bundle_that_cannot_be_finished_leaves_the_earlier_one(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    write_bundle([made], out)
    before = (out / "data.js").read_bytes()

    def full(source: Path, place: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmact_eval.view.bundle.shutil.copyfile", full)
    with pytest.raises(UsageError, match="No space left"):
        write_bundle([made], out)
    with pytest.raises(UsageError, match="No space left"):
        write_bundle([made], tmp_path / "new")
    assert (out / "data.js").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_run_without_a_report_is_in_the_list_and_named(made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(made, runs)
    shutil.copytree(made / "toy", runs / "twice")
    (runs / "damaged").mkdir()
    (runs / "damaged" / "episodes.jsonl").write_text("{}\n")
    (runs / "study").mkdir()
    (runs / "study" / "study.json").write_text(json.dumps({"arms": {"toy": {}}}))
    told: list[str] = []
    assert "2 reports" in write_bundle([runs], tmp_path / "site", tell=told.append)
    assert len(data(tmp_path / "site")["items"]) == 4
    assert told == [f"No report of study: no arm of the study in {runs / 'study'} has completed an episode yet."]


def test_a_video_that_leads_out_of_its_run_is_not_copied(made: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(made, tmp_path / "runs"))
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    for video in (runs / "toy" / "videos").rglob("*.mp4"):
        video.unlink()
        os.symlink(secret, video)
    write_bundle([runs], tmp_path / "site")
    assert list((tmp_path / "site").rglob("*.mp4")) == []
