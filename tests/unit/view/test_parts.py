"""Parts of a run stand together, with the sum that the merged run has; a merged run says what it was merged from."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.commands.ablate import command as ablate
from mmact_eval.config.suite_file import load_suite
from mmact_eval.derived.merge import merge
from mmact_eval.runs.files.live import Live, Worked, write_live
from mmact_eval.runs.files.lock import RunLock
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.runs.shard import Shard
from mmact_eval.view.bundle import write_bundle
from mmact_eval.view.catalogue import Catalogue, identity
from mmact_eval.view.reports import Reports

Records = dict[str, dict[str, Any]]


def run_part(folder: Path, index: int, episodes: int = 3) -> Path:
    """Part `index` of 3 of a run of 6 episodes."""
    suite = load_suite("toy", ["protocol.max_steps=12"])
    part = Shard(index, 3)
    execute(RunRequest(suite, "random", episodes=episodes, out=folder, progress=False, shard=part))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts")
    for index in range(3):
        run_part(root / "mine" / f"shard-{index}-of-3", index)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def shown(*roots: Path) -> Records:
    catalogue = Catalogue(roots)
    catalogue.look()
    found: Records = catalogue.changes()["items"]
    return found


def whole(*roots: Path) -> dict[str, Any]:
    (found,) = [record for record in shown(*roots).values() if record["kind"] == "parts"]
    return found


def test_parts_have_the_sum_of_the_run_that_they_are_merged_to(root: Path) -> None:
    merge([root / "mine"], root / "merged")
    records = shown(root)
    one, told = whole(root), records[identity(root / "merged")]
    same = ("suite", "policy", "state", "planned", "done", "errors", "queries", "successes", "completed", "rate", "low")
    assert {name: one[name] for name in same} == {name: told[name] for name in same}
    assert (one["name"], one["state"], one["done"], one["planned"]) == ("mine", "finished", 6, 6)
    assert one["parts"] == [identity(root / "mine" / f"shard-{index}-of-3") for index in range(3)]
    assert (one["here"], one["count"], one["why"]) == (3, 3, "")
    assert json.loads(json.dumps(one)) == one


def test_a_merged_run_says_how_many_parts_it_is_of_and_which(root: Path) -> None:
    merge([root / "mine"], root / "merged")
    merge([root / "merged"], root / "again")
    records = shown(root)
    folders = [str(root / "mine" / f"shard-{index}-of-3") for index in range(3)]
    assert records[identity(root / "merged")]["merged"] == {"count": 3, "runs": folders, "parts": True}
    assert records[identity(root / "again")]["merged"] == {"count": 1, "runs": [str(root / "merged")], "parts": False}
    assert records[identity(root / "mine" / "shard-0-of-3")]["merged"] is None


def test_a_part_that_is_not_here_is_named_and_its_episodes_are_asked_for(root: Path) -> None:
    shutil.rmtree(root / "mine" / "shard-1-of-3")
    found = whole(root)
    assert (found["state"], found["why"]) == ("incomplete", "part 1 is not here")
    assert (found["done"], found["planned"], found["here"]) == (4, 6, 2)


def test_parts_under_names_of_their_own_are_found_beside_each_other(root: Path) -> None:
    for index in (0, 2):
        (root / "mine" / f"shard-{index}-of-3").rename(root / f"p{index}")
    found = whole(root)
    assert (found["name"], found["why"]) == ("p0 + p2", "part 1 is not here")
    assert whole(root / "p0", root / "p2")["name"] == "p0 + p2", "where only these are looked at, too"


def test_what_does_not_belong_together_stays_apart(root: Path) -> None:
    mine = root / "mine"
    shutil.copytree(mine / "shard-0-of-3", root / "elsewhere" / "shard-0-of-3")
    assert len(whole(root)["parts"]) == 3, "a copy in another place is none of these"
    manifest = mine / "shard-1-of-3" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "fingerprint": {**told["fingerprint"], "seed": 7}}))
    assert whole(root)["why"] == "part 1 is not here"
    shutil.rmtree(mine / "shard-2-of-3")
    assert [one for one in shown(root).values() if one["kind"] == "parts"] == []
    shutil.copytree(root / "elsewhere" / "shard-0-of-3", root / "a")
    shutil.copytree(root / "elsewhere" / "shard-0-of-3", root / "b")
    assert [one for one in shown(root).values() if one["kind"] == "parts"] == [], "of copies nobody knows which"


def test_parts_of_different_episodes_have_no_sum(root: Path) -> None:
    run_part(root / "mine" / "shard-2-of-3", 2, episodes=6)
    found = whole(root)
    assert "asked for different episodes" in found["why"]
    assert found["state"] == "incomplete", "they leave episodes out, as merge says"
    assert "rate" not in found


def test_a_damaged_part_is_named_and_not_counted(root: Path) -> None:
    file = root / "mine" / "shard-1-of-3" / "episodes.jsonl"
    first = file.read_text().splitlines()[0]
    with open(file, "a") as stream:
        stream.write(first.replace('"steps": ', '"steps": 1') + "\n")
    found = whole(root)
    assert (found["state"], found["why"]) == ("damaged", "part 1 is damaged and not counted")
    assert found["done"] == 4


def test_the_whole_is_as_slow_as_its_slowest_part_and_what_stopped_is_named(root: Path) -> None:
    locks = []
    for index, left in enumerate((30.0, 90.0)):
        folder = root / "mine" / f"shard-{index}-of-3"
        recent = Worked(seconds=60.0, episodes=6, queries=120)
        write_live(folder, Live(state="running", host=platform.node(), pid=os.getpid(), planned=2, done=1,
                                seconds_left=left, recent=recent))  # fmt: skip
        locks.append(RunLock(folder))
    stopped = root / "mine" / "shard-2-of-3"
    write_live(stopped, Live(state="stopped", host=platform.node(), pid=1, planned=2, done=1, why="Ctrl-C"))
    lines = (stopped / "episodes.jsonl").read_text().splitlines(keepends=True)
    (stopped / "episodes.jsonl").write_text(lines[0])
    found = whole(root)
    for lock in locks:
        lock.release()
    assert (found["state"], found["why"]) == ("running", "part 2 was stopped")
    now = found["now"]
    assert (now["seconds_left"], now["episodes_an_hour"], now["queries_a_second"]) == (90.0, 720.0, 4.0)
    assert now["only_some"] is True
    assert (found["done"], found["planned"]) == (5, 6)


def test_parts_that_come_and_go_are_followed(root: Path) -> None:
    catalogue = Catalogue([root])
    catalogue.look()
    before = catalogue.changes()
    (name,) = [name for name, record in before["items"].items() if record["kind"] == "parts"]
    aside = shutil.move(root / "mine" / "shard-0-of-3", root.parent / "aside")
    catalogue.look()
    assert catalogue.changes(before["version"])["items"][name]["here"] == 2
    shutil.rmtree(root / "mine" / "shard-1-of-3")
    catalogue.look()
    assert name in catalogue.changes(before["version"])["gone"]
    assert catalogue.parts(name) == ([], {})
    shutil.move(aside, root / "mine" / "shard-0-of-3")
    catalogue.look()
    assert catalogue.changes(before["version"])["items"][name]["here"] == 2


def test_the_report_of_parts_is_one_arm_and_compares_with_another_run(root: Path, tmp_path: Path) -> None:
    merge([root / "mine"], root / "merged")
    catalogue = Catalogue([root])
    catalogue.look()
    items = catalogue.changes()["items"]
    (name,) = [name for name, record in items.items() if record["kind"] == "parts"]
    reports = Reports(catalogue)
    page = reports.page(f"r-{name}").text
    assert "3 runs count as one" in page
    assert "against mine" in reports.page(f"c-{name}-{identity(root / 'merged')}").text
    assert "5 reports" in write_bundle([root], tmp_path / "site")
    assert (tmp_path / "site" / "reports" / f"p-{name}" / "report.html").is_file()


def test_a_study_in_parts_is_one_study_with_one_report(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(
        "name: two\ntitle: What it costs\nbase: {suite: toy, policy: random, episodes: 3}\n"
        "arms:\n  plain: {}\n  late: {label: 4 bins, transforms: [{quantize: {bins: 4}}]}\n"
    )
    given = ["--study", str(tmp_path / "two.yaml"), "--out", str(tmp_path / "runs/two"), "--format", "none"]
    for index in range(2):
        ablate.main([*given, "--shard", f"{index}/2"], standalone_mode=False)
    catalogue = Catalogue([tmp_path / "runs"])
    catalogue.look()
    items = catalogue.changes()["items"]
    ((name, study),) = [(name, record) for name, record in items.items() if record["kind"] == "study"]
    assert (study["name"], study["title"], study["count"], study["why"]) == ("two", "What it costs", 2, "")
    arms = [record for record in items.values() if record["kind"] == "parts"]
    assert sorted(record["name"] for record in arms) == ["two/late", "two/plain"]
    assert [record["done"] for record in arms] == [6, 6]
    page = Reports(catalogue).page(f"s-{name}").text
    assert "What it costs: Toy point reacher" in page
    assert "of 6 pairs" in page
    assert "part 0 of 2" not in page
    write_bundle([tmp_path / "runs"], tmp_path / "site")
    assert (tmp_path / "site" / "reports" / f"s-{name}" / "report.html").is_file()
    file = tmp_path / "runs/two/shard-1-of-2/study.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "title": "Another"}))
    catalogue.look()
    assert "are parts of different studies" in catalogue.changes()["items"][name]["why"]
    shutil.rmtree(file.parent)
    catalogue.look()
    (study,) = [record for record in catalogue.changes()["items"].values() if record["kind"] == "study"]
    assert (study["name"], study["count"]) == ("two/shard-0-of-2", None)
