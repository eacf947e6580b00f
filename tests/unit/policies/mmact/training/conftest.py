"""Made-up demonstrations of LIBERO's robot: a bright square moves as the actions say."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers", "pyarrow")):
    collect_ignore_glob = ["test_*.py"]

TASKS = ("push the square up", "push the square down")

TINY: dict[str, Any] = {
    "name": "made-up",
    "held_out": 0.34,
    "text_tokens": 300,
    "plan_tokens": 8,
    "quantizer": {
        "side": 32, "channels": 8, "groups": 4, "bits": 6,
        "encoder_widths": [1, 2, 2, 2], "encoder_blocks": [0, 1, 1, 1],
        "decoder_widths": [1, 1, 2, 2], "decoder_blocks": [0, 1, 1, 1], "steps": 3, "batch": 4, "actions": 1.0,
    },
    "model": {"d_model": 32, "n_layers": 2, "n_heads": 2, "mlp_hidden_size": 64, "bins": 64},
    "stages": {
        "speak": {"steps": 2, "weights": {"text": 1, "image": 1}, "batch": {"text": 2, "image": 2}},
        "act": {
            "steps": 4, "weights": {"action": 1, "text": 0.05, "image": 0.05},
            "batch": {"action": 4, "text": 2, "image": 2}, "optimizer": {"rate": 0.001, "warmup": 2},
        },
    },
    "report_every": 2,
    "save_every": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def make_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a data set: `starts` demonstrations of each task."""
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.libero.spec import env_spec
    from mmact_eval.observers.artifacts import FolderArtifacts
    from mmact_eval.recording import staging
    from mmact_eval.recording.assemble import assemble
    from mmact_eval.recording.layout import Frame, Layout
    from mmact_eval.types import Episode, EpisodeResult

    def made(starts: int = 3, length: int = 12, every: int = 4, images: Any = "png", first: int = 0) -> Path:
        folder = tmp_path_factory.mktemp("data")
        layout = Layout.of(env_spec(load_suite("libero-object", ["protocol.resolution=32"])), images, every)
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
                    states = {key: np.full(spec.dim, t / 20 + start / 10) for key, spec in layout_states().items()}
                    frames.append(
                        Frame(
                            images={"agentview": picture, "wrist": np.invert(picture)},
                            states=layout.state_vectors(states),
                            action=actions + np.float32(0.01),
                            intended=actions,
                            instruction=words,
                            subtask="go" if t < 6 else "hold it",
                            age=t % every,
                        )
                    )
                result = EpisodeResult(Episode("libero-object", f"task{task}", start, 0), "success", final_hash="f")
                name = f"staged/{result.episode.file_stem}"
                staging.stage(FolderArtifacts(folder), name, layout, result, frames, [])
                staged.append(staging.read(folder / name))
        assemble(folder, layout, staged, {"fingerprint": {"suite": "libero-object"}})
        return folder

    def layout_states() -> Any:
        return env_spec(load_suite("libero-object")).state

    return made


@pytest.fixture(scope="session")
def data(make_data: Callable[..., Path]) -> Path:
    """Three starts of each of two tasks, 12 frames each, every 4th drawn."""
    return make_data()
