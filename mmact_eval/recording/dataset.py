"""Reads a data set that mmact-eval has recorded, once it is known to be whole."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.recording import pictures, wholeness
from mmact_eval.recording.layout import ACTION, image_column
from mmact_eval.recording.origin import NAMES, PREFIX, STAGE_ENDS, check_columns, read_about
from mmact_eval.recording.wholeness import Damaged, Row
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.suite import Suite
from mmact_eval.types import Episode


@dataclass(frozen=True)
class Demonstration:
    """What was executed in a recorded episode.

    Attributes:
        actions: (T, D) float32, those of the random start first.
        scene_hash, final_hash: of the recorded rollout.
        stage_ends: for each stage the number of actions after which it was over; none if the episode had no stages.
    """

    actions: NDArray[np.float32]
    scene_hash: str
    final_hash: str
    stage_ends: tuple[int, ...] = ()

    def executed_before(self, most: int) -> list[int]:
        """For each query the number of actions before it, if at most so many are executed for one, as far as there are
        actions: where a stage is over, its chunk is."""
        found, ends = [0], [*self.stage_ends, len(self.actions)]
        while found[-1] < len(self.actions):
            found.append(min(found[-1] + most, next(end for end in ends if end > found[-1])))
        return found[:-1]


@dataclass(frozen=True)
class DataSet:
    """A recorded data set.

    Attributes:
        folder: where it is.
        about: how it was recorded (``meta/mmact_eval.json``).
        info: what its columns are (``meta/info.json``).
        rows: of ``meta/episodes``, in the order of the data set.
        demonstrations: by episode, likewise.
    """

    folder: Path
    about: Mapping[str, Any]
    info: Mapping[str, Any]
    rows: Sequence[Row]
    demonstrations: Mapping[Episode, Demonstration]

    @property
    def made_with(self) -> MadeWith:
        """What it was recorded with."""
        return MadeWith(self.about["fingerprint"])

    def frames(self, row: Row) -> pa.Table:
        """An episode's frames, in order, with all columns of the data files.

        Raises:
            OSError, pyarrow.ArrowException: they cannot be read.
        """
        place = {name: row[f"data/{name}"] for name in ("chunk_index", "file_index")}
        file = self.folder / self.info["data_path"].format(**place)
        table = pq.read_table(file, filters=[("episode_index", "==", row["episode_index"])])
        return table.sort_by("frame_index")

    def instructions(self, row: Row, table: pa.Table) -> list[str]:
        """The instruction at each frame of an episode; `table` are its `frames`.

        Raises:
            OSError, pyarrow.ArrowException: they cannot be read.
        """
        if len(row["tasks"]) == 1:
            return list(row["tasks"]) * len(table)
        texts = wholeness.tasks(self.folder)
        return [texts[number] for number in table["task_index"].to_pylist()]

    def ends(self, row: Row, frames: int) -> list[int]:
        """For each of an episode's frames, the one before which its stage is over; its length if it has no stages."""
        start = len(row[f"{PREFIX}start_actions"])
        ends = [end - start for end in row.get(STAGE_ENDS) or ()]
        return [next((end for end in ends if end > frame), frames) for frame in range(frames)]

    def pictures(self, row: Row, table: pa.Table, camera: str, frames: Sequence[int]) -> list[NDArray[np.uint8]]:
        """A camera's pictures at these frames of an episode, from the data files or from a video.

        Args:
            row: the episode's.
            table: its `frames`.
            camera: its name.
            frames: which; at least one.

        Raises:
            Damaged: the video does not hold what it should.
        """
        column = image_column(camera)
        if self.info["features"][column]["dtype"] == "image":
            return pictures.from_png(table[column], frames)
        file, first = self._video(row, column), round(row[f"videos/{column}/from_timestamp"] * self.info["fps"])
        return pictures.from_video(file, [first + frame for frame in frames], self._videos()[file])

    def check_videos(self) -> None:
        """Count the frames of all videos, for whoever does not look at them. A copy without any is as good as whole.

        Raises:
            Damaged: one is missing, or does not hold what it should.
        """
        videos = self._videos() if (self.folder / "videos").is_dir() else {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(pictures.check_video, videos.keys(), videos.values()))

    def _video(self, row: Row, column: str) -> Path:
        chunk, number = wholeness.video_place(row, column)
        name: str = self.info["video_path"].format(video_key=column, chunk_index=chunk, file_index=number)
        return self.folder / name

    def _videos(self) -> Mapping[Path, int]:
        """Video → frames it must have: those of its episodes."""
        columns = [name for name, feature in self.info["features"].items() if feature["dtype"] == "video"]
        frames: Counter[Path] = Counter()
        for column in columns:
            for row in self.rows:
                frames[self._video(row, column)] += row["length"]
        return frames

    def check_recorded_on(self, suite: Suite, settings: Sequence[str], why: str = "") -> None:
        """Refuse a data set of another suite, or recorded under other settings.

        Args:
            suite: the one asked for.
            settings: fields of its protocol that matter.
            why: what another setting would spoil, in words that go on after a comma; "" to leave it out.

        Raises:
            UsageError: names the difference.
        """
        name = self.made_with.suite_name
        if name != suite.name:
            raise UsageError(f"the data set {self.folder} was recorded on suite {name}, not on {suite.name}.")
        protocol = suite.protocol.model_dump(mode="json")
        for key in settings:
            before = self.made_with.protocol.get(key, protocol[key])
            if before != protocol[key]:
                raise UsageError(
                    f"the data set {self.folder} was recorded with protocol.{key}={before}, not "
                    f"{protocol[key]}{why and ', '}{why}; use --set protocol.{key}={before}."
                )

    def digest(self) -> str:
        """A short hash of what is replayed."""
        summed = hashlib.blake2b(digest_size=6)
        for episode, demonstration in self.demonstrations.items():
            summed.update(f"{episode.key} {demonstration.scene_hash}".encode())
            summed.update(demonstration.actions.tobytes())
        return summed.hexdigest()


def read(folder: Path) -> DataSet:
    """Read a data set.

    Raises:
        UsageError: there is none, it is damaged, or mmact-eval has not recorded it.
    """
    info, about = read_about(folder)
    with reading(folder):
        rows = [row for file in _files(folder / "meta" / "episodes") for row in pq.read_table(file).to_pylist()]
        check_columns(folder, info, rows, _files(folder / "data"))
        wholeness.check(folder, info, rows)
        return DataSet(folder, about, info, rows, _demonstrations(folder, rows))


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """What a damaged data set makes its readers raise, as one message.

    Raises:
        UsageError: it is damaged.
    """
    try:
        yield
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, IndexError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        what = first if isinstance(error, Damaged) else f"{type(error).__name__}: {first}"
        raise UsageError(
            f"the data set {folder} is damaged: {what}. Copy it again from where it is whole, or make it again: the "
            "`mmact-eval record` that made it writes it anew."
        ) from error


def _demonstrations(folder: Path, rows: Sequence[Row]) -> dict[Episode, Demonstration]:
    actions = _actions(folder)
    found: dict[Episode, Demonstration] = {}
    for row in rows:
        ours = {name: row[f"{PREFIX}{name}"] for name in NAMES}
        episode = Episode(ours["suite"], ours["task"], ours["init_state"], ours["seed"])
        if episode in found:
            raise Damaged(f"{episode.key} is in it twice, the second time as episode {row['episode_index']}")
        recorded = actions[row["episode_index"]]
        start = np.array(ours["start_actions"], np.float32).reshape(-1, recorded.shape[1])
        executed = np.concatenate([start, recorded])
        stage_ends = tuple(row.get(STAGE_ENDS) or ())
        found[episode] = Demonstration(executed, ours["scene_hash"], ours["final_hash"], stage_ends)
    return found


def _actions(folder: Path) -> dict[int, NDArray[np.float32]]:
    """Episode index → (T, D) executed actions."""
    found: dict[int, NDArray[np.float32]] = {}
    for file in _files(folder / "data"):
        table = pq.read_table(file, columns=["episode_index", "frame_index", ACTION])
        table = table.sort_by([(name, "ascending") for name in ("episode_index", "frame_index")])
        episodes = table["episode_index"].to_numpy()
        actions = np.array(table[ACTION].to_pylist(), np.float32).reshape(len(table), -1)
        found |= {int(index): actions[episodes == index] for index in np.unique(episodes)}
    return found


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise Damaged(f"there are no files in {'/'.join(folder.parts[-2:])}")
    return files
