"""Reads what a replay needs of a data set that mmact-eval has recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.recording.layout import image_column
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

OURS = "mmact_eval.json"
"""The file in ``meta/`` that says how a data set was recorded."""

PREFIX = "mmact_eval/"
"""Our columns in ``meta/episodes`` begin with it."""

_MAJOR_VERSION = "v3."


@dataclass(frozen=True)
class Demonstration:
    """What was executed in a recorded episode.

    Attributes:
        actions: (T, D) float32, those of the random start first.
        scene_hash, final_hash: of the recorded rollout.
    """

    actions: NDArray[np.float32]
    scene_hash: str
    final_hash: str


@dataclass(frozen=True)
class DataSet:
    """A recorded data set.

    Attributes:
        folder: where it is.
        about: how it was recorded (``meta/mmact_eval.json``).
        demonstrations: by episode, in the order of the data set.
    """

    folder: Path
    about: Mapping[str, Any]
    demonstrations: Mapping[Episode, Demonstration]

    def check_recorded_on(self, suite: Suite, settings: Sequence[str], why: str = "") -> None:
        """Refuse a data set of another suite, or recorded under other settings.

        Args:
            suite: the one asked for.
            settings: fields of its protocol that matter.
            why: what another setting would spoil, in words that go on after a comma; "" to leave it out.

        Raises:
            UsageError: names the difference.
        """
        recorded = self.about["fingerprint"]
        name = recorded.get("suite", {}).get("name")
        if name != suite.name:
            raise UsageError(f"the data set {self.folder} was recorded on suite {name}, not on {suite.name}.")
        protocol = suite.protocol.model_dump(mode="json")
        for key in settings:
            before = recorded.get("protocol", {}).get(key, protocol[key])
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
    about = _about(folder)
    try:
        return DataSet(folder, about, _demonstrations(folder))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise UsageError(f"the data set {folder} is damaged: {type(error).__name__}: {error}.") from error


def episode_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of ``meta/episodes``, in the order of the data set.

    Raises:
        OSError, pyarrow.ArrowException: they cannot be read.
    """
    return [row for file in _files(folder / "meta" / "episodes") for row in pq.read_table(file).to_pylist()]


def pictures(
    folder: Path, info: Mapping[str, Any], row: Mapping[str, Any], table: pa.Table, camera: str, frames: Sequence[int]
) -> list[NDArray[np.uint8]]:
    """A camera's pictures at these frames of an episode, from the data files or from a video.

    Args:
        folder: the data set.
        info: its ``meta/info.json``.
        row: the episode's, see `episode_rows`.
        table: the episode's frames, in order.
        camera: its name.
        frames: which; at least one.

    Raises:
        OSError, KeyError, ValueError: the data set is damaged.
    """
    import imageio.v3 as iio

    column = image_column(camera)
    if info["features"][column]["dtype"] == "image":
        cells = table[column].take(pa.array(frames)).to_pylist()
        return [np.asarray(iio.imread(cell["bytes"], extension=".png"), np.uint8) for cell in cells]
    place = {name: row[f"videos/{column}/{name}"] for name in ("chunk_index", "file_index")}
    file = folder / info["video_path"].format(video_key=column, **place)
    first = round(row[f"videos/{column}/from_timestamp"] * info["fps"])
    wanted, found = (
        {first + frame: number for number, frame in enumerate(frames)},
        [np.zeros(0, np.uint8)] * len(frames),
    )
    last = max(wanted)
    for number, picture in enumerate(iio.imiter(file, plugin="FFMPEG")):
        if number in wanted:
            found[wanted[number]] = np.ascontiguousarray(picture)
        if number >= last:
            return found
    raise ValueError(f"{file.name} ends before frame {last}")


def _about(folder: Path) -> dict[str, Any]:
    """How a data set was recorded, once it is known to be one of ours."""
    if not folder.is_dir():
        raise UsageError(f"there is no data set {folder}: no such folder.")
    info = _read_json(folder / "meta" / "info.json")
    if info is None or "codebase_version" not in info:
        raise UsageError(f"{folder} is no LeRobot data set: it has no meta/info.json.")
    if not str(info["codebase_version"]).startswith(_MAJOR_VERSION):
        raise UsageError(f"{folder} is a LeRobot data set of version {info['codebase_version']}; this reads v3.0.")
    about = _read_json(folder / "meta" / OURS)
    if about is None or not isinstance(about.get("fingerprint"), dict):
        raise UsageError(
            f"{folder} was not recorded by `mmact-eval record`: it has no meta/{OURS}, and nothing says which scenes "
            "its episodes took place in."
        )
    return about


def _read_json(file: Path) -> dict[str, Any] | None:
    """A JSON object from a file, None if there is none.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file}: {error}.") from error
    return found if isinstance(found, dict) else None


def _demonstrations(folder: Path) -> dict[Episode, Demonstration]:
    names = ("suite", "task", "init_state", "seed", "scene_hash", "final_hash", "start_actions")
    columns = ["episode_index", *(f"{PREFIX}{name}" for name in names)]
    tables = [pq.read_table(file, columns=columns) for file in _files(folder / "meta" / "episodes")]
    rows = [row for table in tables for row in table.to_pylist()]
    actions = _actions(folder)
    found = {}
    for row in rows:
        ours = {name: row[f"{PREFIX}{name}"] for name in names}
        episode = Episode(ours["suite"], ours["task"], ours["init_state"], ours["seed"])
        recorded = actions[row["episode_index"]]
        start = np.array(ours["start_actions"], np.float32).reshape(-1, recorded.shape[1])
        executed = np.concatenate([start, recorded])
        found[episode] = Demonstration(executed, ours["scene_hash"], ours["final_hash"])
    return found


def _actions(folder: Path) -> dict[int, NDArray[np.float32]]:
    """Episode index → (T, D) executed actions."""
    parts: dict[int, list[NDArray[np.float32]]] = {}
    for file in _files(folder / "data"):
        table = pq.read_table(file, columns=["episode_index", "frame_index", "action"])
        order = ["episode_index", "frame_index"]
        table = table.sort_by([(name, "ascending") for name in order])
        episodes = table["episode_index"].to_numpy()
        actions = np.array(table["action"].to_pylist(), np.float32).reshape(len(table), -1)
        for index in np.unique(episodes):
            parts.setdefault(int(index), []).append(actions[episodes == index])
    return {index: np.concatenate(pieces) for index, pieces in parts.items()}


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise FileNotFoundError(f"no files in {folder}")
    return files
