"""Folders that appear, change and vanish; what has changed since a look; studies."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from mmact_eval.view.catalogue import Catalogue, identity
from mmact_eval.view.discover import discover


def run_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"fingerprint": {"suite": {"name": "toy"}}, "episodes_planned": 2}')
    (folder / "episodes.jsonl").write_text("")
    return folder


def test_runs_and_studies_are_found_and_links_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    run = run_folder(root / "suite" / "a")
    run_folder(run / "inside")
    part = run_folder(run / "shard-0-of-2")
    run_folder(root / ".hidden")
    outside = run_folder(tmp_path / "outside")
    (root / "link").symlink_to(outside)
    (root / "round").symlink_to(root)
    arm = run_folder(root / "studies" / "s" / "plain")
    (arm.parent / "study.json").write_text("{}")
    (arm.parent / "run.lock").write_text("process 1 on a since 2026-11-30T09:00:00+00:00")  # of what put it together
    found = discover([root, root / "suite"])
    assert sorted(found.runs) == sorted([arm, run, part])
    assert found.studies == [arm.parent]
    assert discover([root / "link"]).runs == [root / "link"], "one that is named is followed"
    assert list(discover([tmp_path / "nowhere"]).problems) == [tmp_path / "nowhere"]


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    before = os.scandir

    def scandir(folder: Path) -> object:  # root, as whom tests may run, could look into it
        if folder == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return before(folder)

    monkeypatch.setattr("mmact_eval.view.discover.os.scandir", scandir)
    catalogue = Catalogue([tmp_path])
    catalogue.look()
    assert catalogue.changes()["problems"] == [{"folder": str(closed), "why": "Permission denied"}]


def test_only_what_has_changed_is_told(tmp_path: Path) -> None:
    first, second = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    catalogue = Catalogue([tmp_path])
    catalogue.look()
    everything = catalogue.changes()
    assert (everything["whole"], set(everything["items"])) == (True, {identity(first), identity(second)})
    assert everything["items"][identity(first)]["name"] == "a"
    catalogue.look()
    nothing = catalogue.changes(everything["version"])
    assert (nothing["whole"], nothing["items"], nothing["gone"]) == (False, {}, [])
    with open(first / "episodes.jsonl", "w") as stream:
        stream.write('{"suite": "toy", "task": "t", "init_state": 0, "seed": 0, "outcome": "success"}\n')
    shutil.rmtree(second)
    third = run_folder(tmp_path / "c")
    catalogue.look()
    then = catalogue.changes(everything["version"])
    assert set(then["items"]) == {identity(first), identity(third)}
    assert then["items"][identity(first)]["done"] == 1
    assert then["gone"] == [identity(second)]
    assert catalogue.run(identity(second)) is None
    run_folder(tmp_path / "b")
    catalogue.look()
    assert identity(second) in catalogue.changes(then["version"])["items"]
    for odd in ("", "x.3", "3", f"{then['version'].partition('.')[0]}.-1", "²." + "²"):
        assert catalogue.changes(odd)["whole"]


def test_a_study_names_its_arms_and_says_what_is_wrong(tmp_path: Path) -> None:
    study = tmp_path / "s"
    arm = run_folder(study / "plain")
    content = {
        "study": "mine", "title": "What?", "baseline": "plain",
        "arms": {"late": {"label": "later"}, "plain": {}, "../../etc": {}, "..": {}}, "stopped": {"late": "worse"},
    }  # fmt: skip
    (study / "study.json").write_text(json.dumps(content))
    catalogue = Catalogue([tmp_path])
    catalogue.look()
    record = catalogue.changes()["items"][identity(study)]
    assert record["title"] == "What?"
    assert [(one["name"], one["label"], one["baseline"]) for one in record["arms"]] == [
        ("plain", "plain", True),
        ("late", "later", False),
    ]
    assert (record["arms"][0]["runs"], record["arms"][1]["stopped"]) == ([identity(arm)], "worse")
    for broken in ("", "[]", '{"arms": []}', '{"arms": {}}', "[" * 100_000):
        (study / "study.json").write_text(broken)
        catalogue.look()
        assert "damaged" in catalogue.changes()["items"][identity(study)]["why"]


def test_names_that_are_no_text_are_told_all_the_same(tmp_path: Path) -> None:
    run_folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    catalogue = Catalogue([tmp_path])
    catalogue.look()
    (record,) = catalogue.changes()["items"].values()
    assert record["name"] == "caf\\xe9"
    json.dumps(record).encode()


def test_what_no_page_could_hold_is_not_told(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    name = "x" * 100_000
    (folder / "manifest.json").write_text(json.dumps({"fingerprint": {}, "policy": {"name": name}, "command": [name]}))
    (folder / "live.json").write_text(
        '{"state": "running", "seconds_left": NaN, "machine_load": Infinity, "recent": {"seconds": NaN, "episodes": 3},'
        ' "memory_left_gib": -Infinity, "engine": {"queries": 1e999, "batches": 1, "replicas": NaN}}'
    )
    catalogue = Catalogue([tmp_path])
    catalogue.look()
    found = catalogue.changes()
    text = json.dumps(found, allow_nan=False)
    assert len(text) < 20_000
