"""A demonstration on its way into a data set: a folder of its own, there as a whole or not at all.

    frames.parquet   a row for each frame: state vectors, actions, sub-task, PNG images; the instruction, if it changes
    CAMERA.mp4       the videos
    episode.json     what the demonstration is: episode, hashes, start actions, counts of image values

Workers write them, in any order; the data set is made of them in the order of the plan.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmact_eval.errors import RunFolderError
from mmact_eval.machine.whole_file import to_disk
from mmact_eval.observers.artifacts import Artifacts
from mmact_eval.recording import images
from mmact_eval.recording.layout import (
    ACTION,
    IMAGE_AGE,
    INSTRUCTION,
    INTENDED_ACTION,
    SUBTASK,
    Frame,
    Layout,
    Vector,
    image_column,
)
from mmact_eval.recording.pictures import count_frames
from mmact_eval.types import Episode, EpisodeResult

FRAMES = "frames.parquet"
EPISODE = "episode.json"

_UNFINISHED = ".part-"


@dataclass(frozen=True)
class Staged:
    """A staged demonstration's facts; its rows and images stay on the disk.

    Attributes:
        folder: where it is.
        episode: which rollout it is.
        instruction: the task in words, at first.
        scene_hash, final_hash: of the rollout.
        start_actions: executed before the first frame.
        frames: how many.
        histograms: camera → (3, 256) counts of the image values.
        stages: steps of each stage of the rollout, those before the first frame among them; none if it had no stages.
    """

    folder: Path
    episode: Episode
    instruction: str
    scene_hash: str
    final_hash: str
    start_actions: list[list[float]]
    frames: int
    histograms: dict[str, NDArray[np.int64]]
    stages: tuple[int, ...] = ()

    def video(self, camera: str) -> Path:
        """The file of a camera's video."""
        return self.folder / f"{camera}.mp4"

    def rows(self, columns: list[str] | None = None) -> pa.Table:
        """The frames, in order: all columns or some.

        Raises:
            RunFolderError: the file is gone or damaged, or lacks frames.
        """
        try:
            table = pq.read_table(self.folder / FRAMES, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(self.folder, f"{type(error).__name__}: {error}") from error
        if len(table) != self.frames:
            raise _damaged(self.folder, f"{FRAMES} has {len(table)} of {self.frames} frames")
        return table

    def instructions(self, rows: pa.Table) -> list[str]:
        """Of each of its frames; `rows` are those."""
        if INSTRUCTION not in rows.column_names:
            return [self.instruction] * len(rows)
        found: list[str] = rows[INSTRUCTION].to_pylist()
        return found

    def check_video(self, camera: str) -> None:
        """
        Raises:
            RunFolderError: the video has another number of frames, or none that can be read.
        """
        found = count_frames(self.video(camera))
        if found != self.frames:
            raise _damaged(self.folder, f"{self.video(camera).name} has {found} of {self.frames} frames")


def stage(
    artifacts: Artifacts,
    name: str,
    layout: Layout,
    result: EpisodeResult,
    frames: Sequence[Frame],
    start_actions: Sequence[Vector],
) -> None:
    """Write a demonstration; an older one of the same name is replaced.

    Args:
        artifacts: where it goes.
        name: of its folder, relative to the run folder.
        layout: its columns.
        result: of its episode.
        frames: at least one, in order.
        start_actions: executed before the first frame.

    Raises:
        OSError: it could not be written; nothing is left of it.
    """
    with artifacts.place(name) as folder:
        folder.mkdir()
        pq.write_table(_table(layout, frames), folder / FRAMES)
        counts = {}
        for camera in layout.cameras:
            pictures = [frame.images[camera] for frame in frames]
            counts[camera] = images.histograms(pictures).tolist()
            if layout.images == "video":
                images.write_video(folder / f"{camera}.mp4", pictures, layout.fps)
        facts = {
            **asdict(result.episode),
            "instruction": frames[0].instruction,
            "scene_hash": result.scene_hash,
            "final_hash": result.final_hash,
            "start_actions": [action.tolist() for action in start_actions],
            "frames": len(frames),
            "histograms": counts,
            **({"stages": [stage.steps for stage in result.stages]} if result.stages else {}),
        }
        (folder / EPISODE).write_text(json.dumps(facts), encoding="utf-8")
        for file in folder.iterdir():
            to_disk(file)


def read(folder: Path) -> Staged:
    """A staged demonstration.

    Raises:
        RunFolderError: it is not there, or damaged.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / EPISODE).read_text(encoding="utf-8"))
        return Staged(
            folder,
            Episode(facts["suite"], facts["task"], facts["init_state"], facts["seed"]),
            facts["instruction"],
            facts["scene_hash"],
            facts["final_hash"],
            facts["start_actions"],
            facts["frames"],
            {camera: np.array(counts, np.int64) for camera, counts in facts["histograms"].items()},
            tuple(facts.get("stages", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def remove_unfinished(root: Path) -> None:
    """Delete what workers that were killed have left."""
    for folder in list(root.rglob(f"{_UNFINISHED}*")):
        shutil.rmtree(folder, ignore_errors=True)


def vectors(rows: Sequence[Vector], dim: int) -> pa.Array:
    """An Arrow column of float32 vectors of one length; of plain numbers where the length is 1, as LeRobot has it."""
    flat = pa.array(np.asarray(rows, np.float32).reshape(-1))
    return flat if dim == 1 else pa.FixedSizeListArray.from_arrays(flat, dim)


def _table(layout: Layout, frames: Sequence[Frame]) -> pa.Table:
    dims = layout.vectors()
    columns: dict[str, Any] = {
        column: vectors([frame.states[column] for frame in frames], dims[column]) for column in layout.states
    }
    columns[ACTION] = vectors([frame.action for frame in frames], layout.action_dim)
    columns[INTENDED_ACTION] = vectors([frame.intended for frame in frames], layout.action_dim)
    instructions = [frame.instruction for frame in frames]
    if len(set(instructions)) > 1:
        columns[INSTRUCTION] = pa.array(instructions, pa.string())
    columns[SUBTASK] = pa.array([frame.subtask for frame in frames], pa.string())
    if layout.every > 1:
        columns[IMAGE_AGE] = pa.array([frame.age for frame in frames], pa.int64())
    if layout.images == "png":
        for camera in layout.cameras:
            files = [{"bytes": images.png(frame.images[camera]), "path": None} for frame in frames]
            columns[image_column(camera)] = pa.array(files, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    return pa.table(columns)


def _damaged(folder: Path, what: str) -> RunFolderError:
    return RunFolderError(
        f"the demonstration in {folder} is damaged ({what}). Delete that folder and give the "
        "same command again: its episode is then run again."
    )
