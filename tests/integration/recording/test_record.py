"""Recording and replaying on the toy environment: the same data set however it was recorded, and nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow")
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import RunAborted, RunFolderError, UsageError
from mmact_eval.recording.lead_in import LeadIn
from mmact_eval.recording.record import RecordOptions, RecordOutcome, record
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute

TALKING = f"{Path(__file__).parents[2] / 'helpers' / 'talking_policies.py'}:make_counting"
NOISY = RecordOptions(noise=0.2, random_start=5)


def request(*overrides: str, **changes: Any) -> RunRequest:
    base = RunRequest(suite=load_suite("toy", overrides), policy=TALKING, episodes=3)
    return replace(base, **changes)


def replay(data: Path, out: Path, *overrides: str, **args: Any) -> RunOutcome:
    given = {"data": str(data), **args}
    return execute(RunRequest(suite=load_suite("toy", overrides), policy="replay", policy_args=given, out=out))


def content(folder: Path) -> Mapping[str, bytes]:
    """All files of a data set."""
    parts = [folder / part for part in ("data", "meta", "videos")]
    files = [file for part in parts for file in part.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def frames(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "data" / "chunk-000" / "file-000.parquet")


def episodes(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RecordOutcome]:
    folder = tmp_path_factory.mktemp("recorded")
    return folder, record(request(), folder, NOISY)


def test_the_data_set_has_the_documented_layout(recorded: tuple[Path, RecordOutcome]) -> None:
    folder, outcome = recorded
    info = json.loads((folder / "meta" / "info.json").read_text())
    rows, table = frames(folder), episodes(folder)
    assert info["codebase_version"] == "v3.0"
    assert info["fps"] == 10
    assert info["splits"] == {"train": f"0:{len(table)}"}
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (len(table), len(rows), 2)
    assert (outcome.episodes, outcome.frames, outcome.added) == (len(table), len(rows), len(table))
    stored = {name for name, feature in info["features"].items() if feature["dtype"] != "video"}
    assert set(rows.columns) == stored
    for name in stored:
        (dim,) = info["features"][name]["shape"]
        assert np.shape(rows[name][0]) == (() if dim == 1 else (dim,))
    stats = json.loads((folder / "meta" / "stats.json").read_text())
    assert set(stats) == set(info["features"])
    assert list(rows["index"]) == list(range(len(rows)))
    assert list(table["dataset_to_index"]) == list(table["length"].cumsum())
    tasks = pd.read_parquet(folder / "meta" / "tasks.parquet")
    assert list(tasks["task_index"]) == [0, 1]
    assert [tasks.index[k] for k in rows.groupby("episode_index")["task_index"].first()] == [
        t[0] for t in table["tasks"]
    ]
    for _, group in rows.groupby("episode_index"):
        assert list(group["frame_index"]) == list(range(len(group)))
        np.testing.assert_allclose(group["timestamp"], group["frame_index"] / 10, atol=1e-6)
        assert list(group["next.done"]) == [False] * (len(group) - 1) + [True]


def test_every_episode_has_a_video_of_each_camera_with_its_frames(recorded: tuple[Path, RecordOutcome]) -> None:
    import imageio.v3 as iio

    folder, _ = recorded
    info = json.loads((folder / "meta" / "info.json").read_text())
    for _, row in episodes(folder).iterrows():
        for camera in ("observation.images.top", "observation.images.side"):
            numbers = {key: row[f"videos/{camera}/{key}"] for key in ("chunk_index", "file_index")}
            shown = iio.imread(folder / info["video_path"].format(video_key=camera, **numbers))
            assert shown.shape == (row["length"], 64, 64, 3)
            assert row[f"videos/{camera}/from_timestamp"] == 0
            assert row[f"videos/{camera}/to_timestamp"] == pytest.approx(row["length"] / 10)


def test_subtasks_and_subgoals_are_told(recorded: tuple[Path, RecordOutcome]) -> None:
    folder, _ = recorded
    names = pd.read_parquet(folder / "meta" / "subtasks.parquet").index
    rows = frames(folder)
    first = rows[rows["episode_index"] == 0]
    texts = [names[k] for k in first["subtask_index"]]
    assert texts[0] == "query 1"  # the random start took one query
    for frame, goal in enumerate(first["subgoal_frame_index"]):
        assert goal == len(texts) - 1 or texts[goal] != texts[frame]


def test_noise_is_in_the_executed_actions_and_the_clean_ones_are_kept(recorded: tuple[Path, RecordOutcome]) -> None:
    folder, _ = recorded
    rows = frames(folder)
    executed, intended = (np.stack(list(rows[name])) for name in ("action", "intended_action"))
    assert 0.05 < np.abs(executed - intended).mean() < 0.4
    about = json.loads((folder / "meta" / "mmact_eval.json").read_text())
    assert about["fingerprint"]["recording"] == {"images": "video", "noise": 0.2, "random_start": 5, "every": 1}
    assert about["policy"]["name"].endswith("(noise 0.2, random start 5)")
    assert all(len(actions) == 5 for actions in episodes(folder)["mmact_eval/start_actions"])


def test_another_policy_may_act_first(tmp_path: Path) -> None:
    led = RecordOptions(lead_in=LeadIn("random", 20))
    outcome = record(request(episodes=4), tmp_path / "data", led)
    table = episodes(tmp_path / "data")
    before = [len(actions) for actions in table["mmact_eval/start_actions"]]
    assert len(table) == outcome.episodes == 8
    assert max(before) <= 20
    assert len(set(before)) > 1
    again = replay(tmp_path / "data", tmp_path / "replayed")
    assert all(result.outcome == "success" for result in again.results)


def test_what_was_solved_before_it_began_is_no_demonstration(tmp_path: Path) -> None:
    led = RecordOptions(lead_in=LeadIn("toy", 50))
    outcome = record(request(episodes=4), tmp_path / "data", led)
    assert [result.outcome for result in outcome.run.results] == ["success"] * 8
    assert 0 < outcome.episodes < 8
    assert record(request(episodes=4), tmp_path / "data", led).added == 0


@pytest.mark.parametrize(
    "changes",
    [{"options": EngineOptions(workers=3, max_batch=2)}, {"options": EngineOptions(workers=2), "shuffle": 7}],
    ids=["three workers", "two workers, shuffled"],
)
def test_the_data_set_does_not_depend_on_the_workers(
    recorded: tuple[Path, RecordOutcome], tmp_path: Path, changes: dict[str, Any]
) -> None:
    record(request(**changes), tmp_path, NOISY)
    assert content(tmp_path) == content(recorded[0])


def test_more_episodes_later_make_the_same_data_set(recorded: tuple[Path, RecordOutcome], tmp_path: Path) -> None:
    first = record(request(episodes=1, limit=1), tmp_path, NOISY)
    second = record(request(tasks="hard"), tmp_path, NOISY)
    third = record(request(), tmp_path, NOISY)
    assert content(tmp_path) == content(recorded[0])
    assert first.added + second.added + third.added == third.episodes


def test_a_demonstration_that_was_lost_is_recorded_again(recorded: tuple[Path, RecordOutcome], tmp_path: Path) -> None:
    shutil.copytree(recorded[0], tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "run" / "demonstrations" / "easy" / "init01-seed0")
    (tmp_path / "run" / "demonstrations" / ".part-of-a-killed-worker").mkdir()
    assert record(request(), tmp_path, NOISY).added == 1
    assert content(tmp_path) == content(recorded[0])
    assert not list((tmp_path / "run" / "demonstrations").glob(".*"))


def test_a_policy_sees_the_same_when_it_is_recorded(tmp_path: Path) -> None:
    plain = execute(request(out=tmp_path / "plain"))
    outcome = record(request(), tmp_path / "recorded", RecordOptions())
    assert [r.reproducible() for r in outcome.run.results] == [r.reproducible() for r in plain.results]


def test_png_images_are_exact_and_in_the_data_files(tmp_path: Path) -> None:
    import imageio.v3 as iio

    record(request(tasks="easy", episodes=1), tmp_path, RecordOptions(images="png"))
    info = json.loads((tmp_path / "meta" / "info.json").read_text())
    assert info["features"]["observation.images.top"]["dtype"] == "image"
    assert info["video_path"] is None
    assert not (tmp_path / "videos").exists()
    picture = iio.imread(frames(tmp_path)["observation.images.top"][0]["bytes"])
    assert picture.shape == (64, 64, 3)


# What goes wrong.


def test_another_setting_does_not_go_into_the_same_data_set(recorded: tuple[Path, RecordOutcome]) -> None:
    before = content(recorded[0])
    with pytest.raises(RunFolderError, match=r"recording\.noise: 0\.2 → 0\.1"):
        record(request(), recorded[0], replace(NOISY, noise=0.1))
    with pytest.raises(RunFolderError, match=r"protocol\.settle_steps: 2 → 3"):
        record(request("protocol.settle_steps=3"), recorded[0], NOISY)
    assert content(recorded[0]) == before


def test_a_data_set_without_its_run_is_not_touched(recorded: tuple[Path, RecordOutcome], tmp_path: Path) -> None:
    shutil.copytree(recorded[0], tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(UsageError, match="cannot be extended"):
        record(request(), tmp_path, NOISY)
    assert content(tmp_path) == content(recorded[0])


def test_a_demonstration_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    record(request(tasks="easy", episodes=1), tmp_path, RecordOptions())
    staged = tmp_path / "run" / "demonstrations"
    staged.rename(staged.with_name("elsewhere"))
    staged.write_text("no folder")
    with pytest.raises(RunAborted, match=r"demonstration of toy/easy/init0/seed0 could not be written.*safe"):
        record(request(tasks="easy", episodes=2), tmp_path, RecordOptions())
    staged.unlink()
    staged.with_name("elsewhere").rename(staged)
    assert record(request(tasks="easy", episodes=2), tmp_path, RecordOptions()).episodes == 2


def test_without_a_success_there_is_no_data_set(tmp_path: Path) -> None:
    done = cli("record", "--policy", "noop", "--episodes", "1", "--out", str(tmp_path))
    assert done.returncode == 1
    assert "no data set" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# Replay.


def cli(command: str, *flags: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mmact_eval", command, "--suite", "toy", *flags]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_command_line_records_and_replays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = cli("record", "--policy", "toy", "--tasks", "hard", "--episodes", "2", "--out", str(data), "--noise", "0.1")
    assert done.returncode == 0, done.stderr
    assert "2 demonstrations" in done.stdout
    assert "2 of them recorded now" in done.stdout
    assert f'LeRobotDataset("data", root="{data}")' in done.stdout
    again = cli("run", "--policy", "replay", "--policy-args", f"data={data}", "--out", str(tmp_path / "replay"))
    assert again.returncode == 0, again.stderr
    assert "Reproduced 2 of 2 demonstrations; 2 of them end in the recorded simulator state" in again.stdout
    assert "plays recorded actions back" in again.stdout
    assert "can act in 2 of the 40 episodes" in again.stderr


@pytest.mark.parametrize(("overrides", "chunk"), [((), 16), ((), 3), (("protocol.replan=5",), 16)])
def test_replays_end_where_the_recording_did(
    recorded: tuple[Path, RecordOutcome], tmp_path: Path, overrides: tuple[str, ...], chunk: int
) -> None:
    folder, outcome = recorded
    played = replay(folder, tmp_path, *overrides, chunk=chunk)
    ends = {result.episode: (result.steps, result.final_hash) for result in played.results}
    assert ends == {
        result.episode: (result.steps, result.final_hash)
        for result in outcome.run.results
        if result.outcome == "success"
    }


def test_another_scene_is_an_error_and_not_a_failure(recorded: tuple[Path, RecordOutcome], tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(recorded[0], data)
    table = episodes(data)
    table.loc[0, "mmact_eval/scene_hash"] = "0" * 32
    table.to_parquet(data / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    played = replay(data, tmp_path / "run")
    assert [result.outcome for result in played.results] == ["error"] + ["success"] * (len(table) - 1)
    assert "not the recorded one" in played.results[0].error
    assert "1 could not be played back" in played.remarks[1]


def test_replays_that_cannot_work_are_refused(recorded: tuple[Path, RecordOutcome], tmp_path: Path) -> None:
    folder, _ = recorded
    for override, message in {
        "name=other": "recorded on suite toy, not on other",
        "protocol.settle_steps=7": "recorded with protocol.settle_steps=2, not 7",
        "protocol.max_steps=6": "more than the 6 allowed",
    }.items():
        with pytest.raises(UsageError, match=message):
            replay(folder, tmp_path, override)
    with pytest.raises(UsageError, match="holds none of the 40 episodes"):
        execute(RunRequest(load_suite("toy"), "replay", {"data": str(folder)}, seed=9, out=tmp_path))
