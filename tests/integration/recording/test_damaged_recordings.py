"""Data sets that are not whole are refused by whoever reads them, and those that another tool has edited likewise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow")
from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.probe.from_dataset import read_reference
from mmact_eval.recording import dataset
from mmact_eval.recording.images import write_video
from mmact_eval.recording.record import RecordOptions, record
from mmact_eval.runs.runner import RunRequest

SUITE = load_suite("toy")
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
TOP = "videos/observation.images.top/chunk-000/file-000.mp4"


def request(**changes: Any) -> RunRequest:
    return RunRequest(SUITE, "toy", {"chunk": 4}, episodes=2, **changes)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    record(request(), folder, RecordOptions())
    return folder


@pytest.fixture
def data(recorded: Path, tmp_path: Path) -> Path:
    """A copy without the run folder."""
    return shutil.copytree(recorded, tmp_path / "data", ignore=shutil.ignore_patterns("run"))


@pytest.fixture
def length(recorded: Path) -> int:
    """Frames of episode 0."""
    return int(pd.read_parquet(recorded / EPISODES)["length"][0])


def change(file: Path, by: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    by(pd.read_parquet(file)).to_parquet(file, index=False)


def change_info(folder: Path, **values: Any) -> None:
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def look(folder: Path) -> None:
    """As the probe does, at all episodes and their pictures."""
    read_reference(folder, SUITE, registry.env_plugin("toy").spec(SUITE), frames=2)


def replay(folder: Path) -> None:
    registry.make_policy("replay", {"data": str(folder)}, registry.env_plugin("toy").spec(SUITE))


def refusal(folder: Path, by: Callable[[Path], object] = dataset.read) -> str:
    with pytest.raises(UsageError) as caught:
        by(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def damage(folder: Path, by: Callable[[Path], object] = dataset.read) -> str:
    """What is said to be wrong with it, to the replay policy too."""
    message = refusal(folder, by)
    start = f"the data set {folder} is damaged: "
    assert message.startswith(start)
    with pytest.raises(UsageError, match="is damaged"):
        replay(folder)
    if by is dataset.read:
        assert refusal(folder, look) == message
    return message.removeprefix(start).partition(". Copy it again")[0]


def lose(table: pd.DataFrame, episode: int, *frames: int) -> pd.DataFrame:
    return table[~((table["episode_index"] == episode) & table["frame_index"].isin(frames))]


def test_a_whole_one_is_read(data: Path) -> None:
    assert len(dataset.read(data).demonstrations) == 4
    look(data)
    replay(data)
    shutil.rmtree(data / "videos")
    replay(data)  # which does not look at them
    assert "file-000.mp4 is missing" in refusal(data, look)


# Frames.


@pytest.mark.parametrize("lost", [[0], [1, 2], [3]])
def test_frames_that_are_lost(data: Path, length: int, lost: list[int]) -> None:
    assert length == 5
    change(data / DATA, lambda table: lose(table, 0, *lost))
    assert damage(data) == f"episode 0 has {length - len(lost)} of {length} frames"


def test_frames_that_are_there_twice(data: Path, length: int) -> None:
    shutil.copy(data / DATA, (data / DATA).with_name("file-001.parquet"))
    assert damage(data) == f"episode 0 has {2 * length} of {length} frames"


def test_a_frame_twice_in_the_place_of_another(data: Path) -> None:
    def twice(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[1] = table.loc[2]
        return table

    change(data / DATA, twice)
    assert damage(data) == "episode 0 has no frame 1, but two of another number"


def test_the_order_of_rows_does_not_matter_as_long_as_they_are_numbered(data: Path) -> None:
    before = dataset.read(data).digest()
    change(data / DATA, lambda table: table.sample(frac=1, random_state=0))
    assert dataset.read(data).digest() == before
    look(data)


def test_rows_that_were_numbered_anew_after_they_were_shuffled(data: Path) -> None:
    def shuffled(table: pd.DataFrame) -> pd.DataFrame:
        numbers = table["frame_index"].copy()
        table = pd.concat([table[5:], table[:5].iloc[[2, 0, 1, 3, 4]]]).sort_values("episode_index", kind="stable")
        return table.assign(frame_index=numbers.to_numpy())

    change(data / DATA, shuffled)
    assert "place in the data set (index) is not the one of their number (frame_index)" in damage(data)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("timestamp", "has frames whose time is not their number divided by 10 frames a second"),
        ("next.done", "does not end with its last frame, and only there (next.done)"),
        ("task_index", "has frames of"),
    ],
)
def test_columns_that_contradict_each_other(data: Path, column: str, message: str) -> None:
    change(data / DATA, lambda table: table.assign(**{column: table[column].to_numpy()[::-1]}))
    assert damage(data).startswith(f"episode 0 {message}")


def test_frames_of_an_episode_that_nothing_is_known_of(data: Path) -> None:
    change(data / EPISODES, lambda table: table[:-1])
    assert damage(data) == "meta/info.json counts 4 episodes, and meta/episodes lists 3"
    frames = int(pd.read_parquet(data / EPISODES)["length"].sum())
    change_info(data, total_episodes=3, total_frames=frames)
    assert "frames of episode 3, which meta/episodes does not list" in damage(data)


def test_frames_in_another_file_than_the_one_named(data: Path) -> None:
    (data / DATA).rename((data / DATA).with_name("file-001.parquet"))
    wrong = "data/chunk-000/file-001.parquet, and should have them in data/chunk-000/file-000.parquet"
    assert damage(data) == f"episode 0 has frames in {wrong}"
    (data / DATA).with_name("file-001.parquet").unlink()
    assert damage(data) == "there are no files in data/data"


# Metadata.


def test_totals_and_lengths_that_contradict_each_other(data: Path, length: int) -> None:
    total = json.loads((data / "meta" / "info.json").read_text())["total_frames"]
    change_info(data, total_frames=total + 1)
    assert damage(data) == f"meta/info.json counts {total + 1} frames, and its episodes have {total}"
    change_info(data, total_frames=total)
    change(data / EPISODES, lambda table: table.assign(length=table["length"] - 1))
    assert damage(data).startswith(f"episode 0 should be frames 0 to {length - 1} of the data set")


def test_episodes_that_are_listed_twice(data: Path) -> None:
    shutil.copy(data / EPISODES, (data / EPISODES).with_name("file-001.parquet"))
    assert damage(data) == "meta/info.json counts 4 episodes, and meta/episodes lists 8"
    change_info(data, total_episodes=8)
    assert damage(data) == "meta/episodes lists episode 0 2 times"


def test_an_episode_that_is_in_it_under_two_numbers(data: Path) -> None:
    def same(table: pd.DataFrame) -> pd.DataFrame:
        init_states = table["mmact_eval/init_state"].to_numpy().copy()
        init_states[1] = init_states[0]
        return table.assign(**{"mmact_eval/init_state": init_states})

    change(data / EPISODES, same)
    assert damage(data) == "toy/easy/init0/seed0 is in it twice, the second time as episode 1"


def test_a_filter_that_kept_its_own_books_is_found_out_by_the_statistics(data: Path) -> None:
    filter_first_frame(data)
    assert damage(data) == "episode 0 has 4 frames, and its statistics are of 5"


def filter_first_frame(folder: Path) -> None:
    """Takes a frame out of episode 0 and numbers everything anew, as a careful filter does; videos stay."""

    def numbered(table: pd.DataFrame) -> pd.DataFrame:
        table = lose(table, 0, 0).reset_index(drop=True)
        frames = table.groupby("episode_index").cumcount()
        return table.assign(frame_index=frames, index=table.index, timestamp=(frames / 10).astype(np.float32))

    def counted(table: pd.DataFrame) -> pd.DataFrame:
        table["length"] -= table["episode_index"] == 0
        ends = table["length"].cumsum()
        for camera in ("top", "side"):
            table[f"videos/observation.images.{camera}/to_timestamp"] = table["length"] / 10
        return table.assign(dataset_from_index=ends - table["length"], dataset_to_index=ends)

    change(folder / DATA, numbered)
    change(folder / EPISODES, counted)
    total = json.loads((folder / "meta" / "info.json").read_text())["total_frames"]
    change_info(folder, total_frames=total - 1)


# Videos.


def test_a_filter_that_left_the_videos_alone_is_found_out_by_them(data: Path, length: int) -> None:
    filter_first_frame(data)
    counts: dict[str, Any] = {"stats/action/count": [[n] for n in pd.read_parquet(data / EPISODES)["length"]]}
    change(data / EPISODES, lambda table: table.assign(**counts))
    dataset.read(data)  # the frames are whole now
    assert damage(data, look) == f"{TOP} has {length} of {length - 1} frames"


def test_a_video_that_lacks_frames(data: Path, length: int) -> None:
    write_video(data / TOP, list(iio.imread(data / TOP, plugin="FFMPEG"))[1:], 10)
    assert damage(data, look) == f"{TOP} has {length - 1} of {length} frames"


@pytest.mark.parametrize("kept", [None, 0, 100, -200])
def test_a_video_that_is_missing_or_cut_off(data: Path, kept: int | None) -> None:
    start = (data / TOP).read_bytes()[:kept]
    (data / TOP).unlink()
    if kept is None:
        assert damage(data, look) == f"{TOP} is missing"
        return
    (data / TOP).write_bytes(start)
    assert damage(data, look).startswith((f"{TOP} cannot be read (", f"{TOP} has "))


def test_videos_that_are_said_to_be_of_other_lengths(data: Path, length: int) -> None:
    ends = "videos/observation.images.top/to_timestamp"
    change(data / EPISODES, lambda table: table.assign(**{ends: table[ends] + 0.1}))
    assert damage(data) == f"episode 0 has {length} frames, and {length + 1} in the video of observation.images.top"


def test_two_episodes_in_one_place_of_a_video(data: Path) -> None:
    number = "videos/observation.images.top/file_index"
    change(data / EPISODES, lambda table: table.assign(**{number: 0}))
    assert "does not begin in the video of observation.images.top where episode" in damage(data)


# Recording more.


@pytest.fixture
def unfinished(recorded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recorded, tmp_path / "unfinished")


def test_recording_more_makes_a_damaged_data_set_anew(unfinished: Path) -> None:
    whole = dataset.read(unfinished).digest()
    change(unfinished / DATA, lambda table: lose(table, 0, 1))
    assert "has 4 of 5 frames" in damage(unfinished)
    record(request(), unfinished, RecordOptions())
    assert dataset.read(unfinished).digest() == whole


def test_recording_more_needs_whole_demonstrations(unfinished: Path) -> None:
    staged = min((unfinished / "run" / "demonstrations" / "easy").iterdir())
    video = staged / "top.mp4"
    write_video(video.with_name("short.mp4"), list(iio.imread(video, plugin="FFMPEG"))[1:], 10)
    video.with_name("short.mp4").replace(video)
    with pytest.raises(RunFolderError, match=r"-seed0 is damaged \(top\.mp4 has 4 of 5 frames\)\. Delete"):
        record(request(), unfinished, RecordOptions())
    change(staged / "frames.parquet", lambda table: table[:-1])
    video.write_bytes(b"no video")
    with pytest.raises(RunFolderError, match=r"is damaged"):
        record(request(), unfinished, RecordOptions())
    shutil.rmtree(staged)
    assert record(request(), unfinished, RecordOptions()).added == 1
    look(unfinished)


# Edited by other tools.


@pytest.mark.parametrize("kept", [True, False])
def test_a_tool_that_dropped_our_columns(data: Path, kept: bool) -> None:
    change(data / EPISODES, lambda table: table[[name for name in table if "mmact_eval/" not in str(name)]])
    if not kept:
        (data / "meta" / "mmact_eval.json").unlink()
    message = refusal(data)
    assert message.startswith(
        f"{data} was recorded by `mmact-eval record` and edited by a tool that dropped our columns"
    )
    assert ("mmact_eval/suite" if kept else "meta/mmact_eval.json missing") in message


@pytest.mark.parametrize("where", ["data", "features"])
def test_a_tool_that_dropped_the_intended_actions(data: Path, where: str) -> None:
    features = json.loads((data / "meta" / "info.json").read_text())["features"]
    if where == "features":
        del features["intended_action"]
        change_info(data, features=features)
    else:
        change(data / DATA, lambda table: table.drop(columns="intended_action"))
    assert "edited by a tool that dropped our columns (intended_action missing)" in refusal(data)
