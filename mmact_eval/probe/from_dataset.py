"""Makes the reference from a data set that `mmact-eval record` has made, instead of letting the expert play."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.probe.reference import HORIZON, SHORTEST, Frame, Reference, choose, phases
from mmact_eval.recording.layout import IMAGE_AGE, INTENDED_ACTION, Layout
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation

if TYPE_CHECKING:
    from mmact_eval.recording.dataset import DataSet

_MOST = 24
"""Episodes used at most: more tell little more and cost queries."""

_DECISIVE = ("rotation", "resolution", "cameras")


def read_reference(folder: Path, suite: Suite, env: EnvSpec, frames: int, episodes: int | None = None) -> Reference:
    """Frames of a recorded data set.

    Args:
        folder: the data set.
        suite: whose episodes it must hold, under whose image settings.
        env: the suite's.
        frames: of each episode.
        episodes: how many are used, spread over the data set; None for as many as are useful.

    Raises:
        UsageError: there is no such data set, it is damaged, or it does not fit.
    """
    try:
        from mmact_eval.recording import dataset
    except ImportError as error:
        raise UsageError("--data reads Parquet files: pip install 'mmact-eval[record]'") from error
    recorded = dataset.read(folder)  # says what is wrong with a folder that is none of ours
    recorded.check_recorded_on(
        suite, _DECISIVE, "so its images are not what the policy would get (or leave --data out)"
    )
    rows = recorded.rows
    count = min(len(rows), episodes or _MOST)
    picked = [rows[round(place)] for place in np.linspace(0, len(rows) - 1, count)]
    with dataset.reading(folder):
        found = [frame for row in picked for frame in _frames(recorded, row, env, frames)]
    return Reference(tuple(found), f"{count} of {len(rows)} demonstrations in {folder}")


def _frames(recorded: DataSet, row: Mapping[str, Any], env: EnvSpec, wanted: int) -> list[Frame]:
    table = recorded.frames(row)
    actions = np.array(table[INTENDED_ACTION].to_pylist(), np.float32)
    labels = phases(actions, env.action)
    ages = table[IMAGE_AGE].to_pylist() if IMAGE_AGE in table.column_names else [0] * len(actions)
    until = recorded.ends(row, len(actions))
    drawn = [step for step in range(0, len(actions), 2) if not ages[step] and step + SHORTEST <= until[step]]
    steps = choose(drawn, labels, wanted)
    layout = Layout.of(env, "png")
    columns = {column: np.array(table[column].to_pylist(), np.float64) for column in layout.states}
    images = {camera: recorded.pictures(row, table, camera, steps) for camera in env.cameras}
    episode = Episode(*(row[f"mmact_eval/{name}"] for name in ("suite", "task", "init_state", "seed")))
    instructions = recorded.instructions(row, table)
    found = []
    for number, step in enumerate(steps):
        state: dict[str, NDArray[np.float64]] = {}
        for column, keys in layout.states.items():
            ends = np.cumsum([layout.state_dims[key] for key in keys])
            state.update(zip(keys, np.split(columns[column][step].reshape(-1), ends[:-1]), strict=True))
        seen = Observation({camera: taken[number] for camera, taken in images.items()}, state, instructions[step])
        found.append(Frame(episode, step, labels[step], seen, actions[step : min(step + HORIZON, until[step])]))
    return found
