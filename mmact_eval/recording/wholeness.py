"""Whether a recorded data set is whole: metadata, frames and videos must agree about every episode.

A copy that broke off, or a tool that filtered rows, leaves files that can be read and pictures that belong to other
actions. Each frame has its number, each episode its length, and each data set its totals; all are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmact_eval.recording.layout import ACTION

Row = Mapping[str, Any]

_COLUMNS = ("episode_index", "frame_index", "index", "timestamp", "task_index", "next.done")

_SLACK = 0.1
"""How far a time may lie beside its frame's, in frames: times are float32."""


class Damaged(ValueError):
    """A data set contradicts itself; the message says where, in words that go on after "is damaged:"."""


def check(folder: Path, info: Mapping[str, Any], episodes: Sequence[Row]) -> None:
    """Compare metadata and data files. Videos are not opened; see `pictures`.

    Args:
        folder: of the data set.
        info: its ``meta/info.json``.
        episodes: the rows of its ``meta/episodes``.

    Raises:
        Damaged: they do not agree.
        OSError, pyarrow.ArrowException, KeyError: they cannot be read.
    """
    for wrong in _in_episodes(info, episodes):
        raise Damaged(wrong)
    for wrong in _in_videos(info, episodes):
        raise Damaged(wrong)
    frames = _frames(folder)
    ordered = sorted(episodes, key=lambda row: row["episode_index"])
    found = Counter(frames["episode_index"].tolist())
    for row in ordered:
        there, length = found.pop(row["episode_index"], 0), row["length"]
        if there != length:
            raise Damaged(f"episode {row['episode_index']} has {there} of {length} frames")
    for episode, count in found.items():
        raise Damaged(f"its data files hold {count} frames of episode {episode}, which meta/episodes does not list")
    named = tasks(folder)
    for row in ordered:
        first = row["dataset_from_index"]
        own = {name: column[first : first + row["length"]] for name, column in frames.items()}
        for wrong in _in_frames(info, row, own, named):
            raise Damaged(f"episode {row['episode_index']} {wrong}")


def video_place(row: Row, column: str) -> tuple[int, int]:
    """The numbers of chunk and file that hold an episode's video."""
    return row[f"videos/{column}/chunk_index"], row[f"videos/{column}/file_index"]


def _in_episodes(info: Mapping[str, Any], episodes: Sequence[Row]) -> Iterator[str]:
    """What is wrong between ``info.json`` and ``meta/episodes``."""
    if len(episodes) != info["total_episodes"]:
        yield f"meta/info.json counts {info['total_episodes']} episodes, and meta/episodes lists {len(episodes)}"
    numbers = Counter(row["episode_index"] for row in episodes)
    for number in range(len(episodes)):
        if numbers[number] != 1:
            yield f"meta/episodes lists episode {number} {numbers[number]} times"
    frames = 0
    for row in sorted(episodes, key=lambda row: row["episode_index"]):
        number, length = row["episode_index"], row["length"]
        if (row["dataset_from_index"], row["dataset_to_index"]) != (frames, frames + length):
            yield (
                f"episode {number} should be frames {frames} to {frames + length} of the data set, and meta/episodes "
                f"says {row['dataset_from_index']} to {row['dataset_to_index']}"
            )
        (counted,) = row.get(f"stats/{ACTION}/count") or [length]
        if counted != length:
            yield f"episode {number} has {length} frames, and its statistics are of {counted}"
        frames += length
    if frames != info["total_frames"]:
        yield f"meta/info.json counts {info['total_frames']} frames, and its episodes have {frames}"


def _in_videos(info: Mapping[str, Any], episodes: Sequence[Row]) -> Iterator[str]:
    """What is wrong between the lengths of episodes and where in which video they are said to be."""
    for column in (name for name, feature in info["features"].items() if feature["dtype"] == "video"):
        files: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for row in episodes:
            first, end = (round(row[f"videos/{column}/{name}_timestamp"] * info["fps"]) for name in ("from", "to"))
            number, length = row["episode_index"], row["length"]
            if end - first != length:
                yield f"episode {number} has {length} frames, and {end - first} in the video of {column}"
            files.setdefault(video_place(row, column), []).append((first, end, number))
        for parts in files.values():
            for (_, end, one), (first, _, other) in pairwise(sorted([(0, 0, parts[0][2]), *parts])):
                if first != end:
                    yield f"episode {other} does not begin in the video of {column} where episode {one} ends"


def _frames(folder: Path) -> dict[str, NDArray[Any]]:
    """The rows of all data files in the order of episode and frame, and which file (from `folder` on) each is in."""
    paths = sorted((folder / "data").glob("*/*.parquet"))
    tables = [pq.read_table(path, columns=list(_COLUMNS)) for path in paths]
    frames: dict[str, NDArray[Any]] = {name: pa.concat_tables(tables)[name].to_numpy() for name in _COLUMNS}
    frames["file"] = np.repeat([path.relative_to(folder).as_posix() for path in paths], [len(part) for part in tables])
    order = np.lexsort((frames["frame_index"], frames["episode_index"]))
    return {name: column[order] for name, column in frames.items()}


def _in_frames(
    info: Mapping[str, Any], row: Row, frames: Mapping[str, NDArray[Any]], tasks: Mapping[int, str]
) -> Iterator[str]:
    """What is wrong with an episode's frames, of which there are as many as there should be."""
    numbers = np.arange(row["length"])
    off = np.flatnonzero(frames["frame_index"] != numbers)
    if len(off):
        yield f"has no frame {off[0]}, but two of another number"
    if (frames["index"] != row["dataset_from_index"] + numbers).any():
        yield "has frames whose place in the data set (index) is not the one of their number (frame_index)"
    if np.abs(frames["timestamp"] * info["fps"] - numbers).max(initial=0.0) > _SLACK:
        yield f"has frames whose time is not their number divided by {info['fps']} frames a second"
    if (frames["next.done"] != (numbers == row["length"] - 1)).any():
        yield "does not end with its last frame, and only there (next.done)"
    place = {name: row[f"data/{name}"] for name in ("chunk_index", "file_index")}
    named = info["data_path"].format(**place)
    other = [file for file in np.unique(frames["file"]) if file != named]
    if other:
        yield f"has frames in {other[0]}, and should have them in {named}"
    told = {tasks.get(int(number)) for number in np.unique(frames["task_index"])}
    if told != set(row["tasks"]):
        yield f"has frames of {' and '.join(map(repr, told))}, and meta/episodes says {', '.join(row['tasks'])}"


def tasks(folder: Path) -> dict[int, str]:
    """Number → instruction."""
    table = pq.read_table(folder / "meta" / "tasks.parquet").to_pydict()
    numbers = table.pop("task_index")
    (texts,) = table.values()
    return dict(zip(numbers, texts, strict=True))
