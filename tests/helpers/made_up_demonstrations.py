"""Made-up demonstrations of LIBERO's robot, or CALVIN's: a bright square moves as the actions say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmact_eval.config.suite_file import load_suite
from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.recording import staging
from mmact_eval.recording.assemble import assemble
from mmact_eval.recording.layout import Frame, Layout
from mmact_eval.registry import env_plugin
from mmact_eval.types import Episode, EpisodeResult

TASKS = ("push the square up", "push the square down")


def write_demonstrations(
    folder: Path,
    starts: int = 3,
    length: int = 12,
    every: int = 4,
    images: Any = "png",
    first: int = 0,
    suite: str = "libero-object",
) -> Path:
    """Write a data set: `starts` demonstrations of each task, every so many frames drawn; returns the folder."""
    asked = load_suite(suite, ["protocol.resolution=32"])
    spec = env_plugin(asked.env).spec(asked)
    scene, hand = spec.cameras
    spec = replace(spec, cameras={scene: (32, 32), hand: (32, 32)})
    layout = Layout.of(spec, images, every)
    staged = []
    for task, words in enumerate(TASKS):
        for start in range(first, first + starts):
            frames = []
            for t in range(length):
                move = (0.25 + 0.05 * start) * (1 - 2 * task)
                actions = np.array([move, t / 16, 0, 0, 0, 0, 1 if t > 5 else -1], np.float32)
                picture = np.full((32, 32, 3), 40, np.uint8)
                row = 12 + (t // every * every) * (2 * task - 1)
                picture[row : row + 6, 4 + 4 * start : 12 + 4 * start] = (250, 200, 0)
                states = {key: np.full(known.dim, t / 20 + start / 10) for key, known in spec.state.items()}
                frames.append(
                    Frame(
                        images={scene: picture, hand: np.invert(picture)},
                        states=layout.state_vectors(states),
                        action=actions + np.float32(0.01),
                        intended=actions,
                        instruction=words,
                        subtask="go" if t < 6 else "hold it",
                        age=t % every,
                    )
                )
            result = EpisodeResult(Episode(suite, f"task{task}", start, 0), "success", final_hash="f")
            name = f"staged/{result.episode.file_stem}"
            staging.stage(FolderArtifacts(folder), name, layout, result, frames, [])
            staged.append(staging.read(folder / name))
    assemble(folder, layout, staged, {"fingerprint": {"suite": suite}})
    return folder
