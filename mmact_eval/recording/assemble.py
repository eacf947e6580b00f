"""Makes a LeRobot data set (v3.0) of staged demonstrations.

It is a function of the demonstrations and their order alone, so it does not matter who recorded them, nor in how many
sessions: whenever there are more of them, the data set is made again. Videos are hard links where the disk allows it,
and cost no second copy.

    meta/info.json              what the columns are
    meta/stats.json             statistics for normalization
    meta/tasks.parquet          instructions
    meta/subtasks.parquet       sub-tasks, if the policy told any (read by LeRobot 0.4.4 to 0.5)
    meta/episodes/…parquet      a row for each episode
    meta/mmact_eval.json        how it was recorded; LeRobot does not look at it
    data/…parquet               a row for each frame, many episodes a file
    videos/CAMERA/…mp4          one file for each episode
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmact_eval.errors import RunAborted
from mmact_eval.recording import column_statistics as statistics
from mmact_eval.recording.layout import INSTRUCTION, SUBGOAL, SUBTASK, SUBTASK_INDEX, Layout, image_column, whole
from mmact_eval.recording.origin import OURS, PREFIX, STAGE_ENDS
from mmact_eval.recording.staging import Staged

VERSION = "v3.0"

_PARTS = ("data", "videos", "meta")
"""The folders of a data set; ``meta`` comes last, so that one without it is known to be unfinished."""

_CHUNK = 1000
"""Files in a folder, at most."""

_DATA_FILE_MB = 100
"""A data file is closed when it holds so much."""

_VIDEO_FILE_MB = 200
"""What LeRobot's own writer would put into a video file; here each holds one episode."""

_PATTERN = "chunk-{chunk_index:03d}/file-{file_index:03d}"


@dataclass(frozen=True)
class Assembled:
    """What a data set came to: episodes, frames, and bytes of data and videos."""

    episodes: int
    frames: int
    bytes: int


def assemble(folder: Path, layout: Layout, demonstrations: Sequence[Staged], about: Mapping[str, Any]) -> Assembled:
    """Write the data set, in the place of the one that may be there.

    Args:
        folder: of the data set.
        layout: its columns.
        demonstrations: at least one, in the order of the episodes.
        about: how they were recorded, for ``meta/mmact_eval.json``.

    Raises:
        RunAborted: the disk is full, say; the demonstrations are safe.
        RunFolderError: a demonstration is damaged.
    """
    _check_videos(layout, demonstrations)
    new = folder / ".new"
    try:
        shutil.rmtree(new, ignore_errors=True)
        writer = _Writer(new, layout, demonstrations)
        writer.write(about)
        old = folder / ".old"
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir()
        for part in reversed(_PARTS):
            if (folder / part).exists():
                (folder / part).rename(old / part)
        for part in _PARTS:
            if (new / part).exists():
                (new / part).rename(folder / part)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise RunAborted(
            f"cannot write the data set to {folder}: {error.strerror or error}. All demonstrations are safe; make room "
            "and give the same command again."
        ) from error
    files = [file for part in ("data", "videos") for file in (folder / part).rglob("*.*")]
    return Assembled(len(demonstrations), writer.frames, sum(file.stat().st_size for file in files))


def _check_videos(layout: Layout, demonstrations: Sequence[Staged]) -> None:
    """FFmpeg counts each video's frames, some videos at a time: it takes as long as decoding them.

    Raises:
        RunFolderError: one is damaged.
    """
    if layout.images == "video":
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for camera in layout.cameras:
                list(pool.map(Staged.check_video, demonstrations, repeat(camera)))


class _Writer:
    """Writes one data set into a fresh folder."""

    def __init__(self, folder: Path, layout: Layout, demonstrations: Sequence[Staged]) -> None:
        self._folder = folder
        self._layout = layout
        self._demonstrations = demonstrations
        self._tasks = _Names()
        self._subtasks = _Names()
        self._staged = any(demonstration.stages for demonstration in demonstrations)
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._episodes: list[dict[str, Any]] = []
        self.frames = 0

    def write(self, about: Mapping[str, Any]) -> None:
        texts = (demonstration.rows([SUBTASK])[SUBTASK] for demonstration in self._demonstrations)
        told = any(column.null_count < len(column) for column in texts)
        data = _DataFiles(self._folder / "data")
        try:
            for index, demonstration in enumerate(self._demonstrations):
                rows = demonstration.rows()
                instructions = demonstration.instructions(rows)
                table = self._completed(index, rows, instructions, told)
                chunk, file = data.write(table)
                self._episodes.append(self._described(index, demonstration, instructions, table, chunk, file))
                self._link_videos(index, demonstration)
                self.frames += len(table)
        finally:
            data.close()
        self._write_meta(told, about)

    def _completed(self, index: int, table: pa.Table, instructions: Sequence[str], with_subtasks: bool) -> pa.Table:
        """A demonstration's rows with the columns that follow from its place in the data set."""
        count = len(table)
        frames = np.arange(count)
        last = frames == count - 1
        texts = [text or "" for text in table[SUBTASK].to_pylist()]
        added: dict[str, NDArray[Any]] = {
            "next.done": last,
            "next.success": last,
            "timestamp": (frames / self._layout.fps).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full(count, index),
            "index": frames + self.frames,
            "task_index": np.array([self._tasks.number(text) for text in instructions]),
        }
        if with_subtasks:
            added[SUBTASK_INDEX] = np.array([self._subtasks.number(text) for text in texts])
            added[SUBGOAL] = subgoals(texts)
        table = table.drop_columns([name for name in (SUBTASK, INSTRUCTION) if name in table.column_names])
        for name, values in added.items():
            table = table.append_column(name, pa.array(values))
        return table

    def _described(
        self, index: int, demonstration: Staged, instructions: Sequence[str], table: pa.Table, chunk: int, file: int
    ) -> dict[str, Any]:
        """The episode's row in ``meta/episodes``."""
        episode = demonstration.episode
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": list(dict.fromkeys(instructions)),
            "length": len(table),
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + len(table),
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            f"{PREFIX}suite": episode.suite,
            f"{PREFIX}task": episode.task,
            f"{PREFIX}init_state": episode.init_state,
            f"{PREFIX}seed": episode.seed,
            f"{PREFIX}scene_hash": demonstration.scene_hash,
            f"{PREFIX}final_hash": demonstration.final_hash,
            f"{PREFIX}start_actions": demonstration.start_actions,
        }
        if self._staged:
            row[STAGE_ENDS] = np.cumsum(demonstration.stages, dtype=np.int64).tolist()
        if self._layout.images == "video":
            for camera in self._layout.cameras:
                prefix = f"videos/{image_column(camera)}"
                row[f"{prefix}/chunk_index"], row[f"{prefix}/file_index"] = divmod(index, _CHUNK)
                row[f"{prefix}/from_timestamp"] = 0.0
                row[f"{prefix}/to_timestamp"] = len(table) / self._layout.fps
        for camera, counts in demonstration.histograms.items():
            row |= _flat(image_column(camera), statistics.of_images(counts, len(table)))
        for name in table.column_names:
            values = _numbers(table[name])
            if values is not None:
                self._columns.setdefault(name, []).append(values)
                row |= _flat(name, statistics.of_vectors(values))
        return row

    def _link_videos(self, index: int, demonstration: Staged) -> None:
        if self._layout.images != "video":
            return
        for camera in self._layout.cameras:
            chunk, file = divmod(index, _CHUNK)
            name = _PATTERN.format(chunk_index=chunk, file_index=file)
            target = self._folder / "videos" / image_column(camera) / f"{name}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(demonstration.video(camera), target)
            except OSError:  # a disk without hard links
                shutil.copyfile(demonstration.video(camera), target)

    def _write_meta(self, with_subtasks: bool, about: Mapping[str, Any]) -> None:
        meta = self._folder / "meta"
        episodes = meta / "episodes" / f"{_PATTERN.format(chunk_index=0, file_index=0)}.parquet"
        episodes.parent.mkdir(parents=True)
        pq.write_table(_episode_table(self._episodes), episodes)
        self._tasks.write(meta / "tasks.parquet", "task")
        if with_subtasks:
            self._subtasks.write(meta / "subtasks.parquet", "subtask")
        stats = {name: statistics.of_vectors(np.concatenate(parts)) for name, parts in self._columns.items()}
        for camera in self._layout.cameras:
            counts = np.sum([demonstration.histograms[camera] for demonstration in self._demonstrations], axis=0)
            stats[image_column(camera)] = statistics.of_images(counts, self.frames)
        _write_json(meta / "stats.json", stats)
        videos = self._layout.images == "video" and bool(self._layout.cameras)
        info = {
            "codebase_version": VERSION,
            "robot_type": None,
            "total_episodes": len(self._episodes),
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": _CHUNK,
            "data_files_size_in_mb": _DATA_FILE_MB,
            "video_files_size_in_mb": _VIDEO_FILE_MB,
            "fps": whole(self._layout.fps),
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": f"data/{_PATTERN}.parquet",
            "video_path": f"videos/{{video_key}}/{_PATTERN}.mp4" if videos else None,
            "features": self._layout.features(with_subtasks),
        }
        _write_json(meta / "info.json", info)
        _write_json(meta / OURS, about)


class _DataFiles:
    """Parquet files, a row group for each episode, the next file begun when one is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: pq.ParquetWriter | None = None
        self._number = -1
        self._bytes = 0

    def write(self, table: pa.Table) -> tuple[int, int]:
        """Append an episode; returns the numbers of chunk and file that it went to."""
        if self._writer is None or self._bytes + table.nbytes > _DATA_FILE_MB * 2**20:
            self.close()
            self._number += 1
            self._bytes = 0
            chunk, file = divmod(self._number, _CHUNK)
            name = self._folder / f"{_PATTERN.format(chunk_index=chunk, file_index=file)}.parquet"
            name.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(name, table.schema)
        self._writer.write_table(table)
        self._bytes += table.nbytes
        return divmod(self._number, _CHUNK)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Names:
    """Texts with numbers, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def write(self, file: Path, kind: str) -> None:
        """As LeRobot reads it: a data frame with the texts as its index."""
        index = pd.Index(list(self._numbers), name=kind)
        pd.DataFrame({f"{kind}_index": list(self._numbers.values())}, index=index).to_parquet(file)


def subgoals(texts: Sequence[str]) -> NDArray[np.int64]:
    """For each frame, the one at which its sub-task is over: the first of the next sub-task, or the last of all."""
    ends = np.empty(len(texts), np.int64)
    end = len(texts) - 1
    for frame in reversed(range(len(texts))):
        if frame + 1 < len(texts) and texts[frame] != texts[frame + 1]:
            end = frame + 1
        ends[frame] = end
    return ends


def _numbers(column: pa.ChunkedArray) -> NDArray[Any] | None:
    """(N,) or (N, D) values of a column; None if it does not hold numbers."""
    array = column.combine_chunks()
    if pa.types.is_fixed_size_list(array.type):
        flat: NDArray[Any] = array.flatten().to_numpy()
        return flat.reshape(len(array), -1)
    if pa.types.is_struct(array.type):
        return None
    plain: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return plain


def _flat(column: str, stats: Mapping[str, Any]) -> dict[str, Any]:
    return {f"stats/{column}/{name}": value for name, value in stats.items()}


def _episode_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """As Arrow; start actions have a type even when nobody has any."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    start = f"{PREFIX}start_actions"
    types = {start: pa.list_(pa.list_(pa.float32())), STAGE_ENDS: pa.list_(pa.int64())}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


def _write_json(file: Path, data: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
