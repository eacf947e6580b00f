"""A demonstration on the real LIBERO: recorded, written as a data set, played back to the same bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow")
from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.protocols import Needs
from mmact_eval.recording.assemble import assemble
from mmact_eval.recording.layout import Layout
from mmact_eval.recording.perturbed import Perturbed
from mmact_eval.recording.recorder import DemonstrationRecorder
from mmact_eval.recording.staging import read
from mmact_eval.rollout import run_episode
from mmact_eval.types import Episode

pytestmark = pytest.mark.libero


def test_a_noisy_demonstration_is_recorded_and_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite("libero-object", ["protocol.resolution=64"])
    plugin = registry.env_plugin("libero")
    spec = plugin.spec(suite)
    task = plugin.tasks(suite)[0]
    env: Any = plugin.make(suite, task, Needs(tuple(spec.cameras), True))
    drawn: Counter[int] = Counter()
    draw: Callable[..., Any] = env.simulation.renderer._draw

    def counted(camera: str, size: int) -> Any:
        drawn[env.simulation.renderer._snapshot.number] += 1
        return draw(camera, size)

    monkeypatch.setattr(env.simulation.renderer, "_draw", counted)
    layout = Layout.of(spec)
    episode = Episode(suite.name, task.name, 0, 0)
    policy = Perturbed(registry.make_policy("expert", {}, spec).policy, suite.protocol, noise=0.05, random_start=8)
    result = run_episode(
        env, policy, episode, suite.protocol, [DemonstrationRecorder(FolderArtifacts(tmp_path), "staged", layout)]
    )
    assert result.outcome == "success"
    staged = read(tmp_path / result.artifacts["demonstration"])
    assert staged.frames == result.steps - 8
    assert set(drawn.values()) == {2}  # both cameras once for each frame, and nothing else
    assert len(drawn) == staged.frames

    about = {"fingerprint": {"suite": {"name": suite.name}}, "env": {"name": "libero", "action": vars(spec.action)}}
    assemble(tmp_path / "data", layout, [staged], about)
    rows = pd.read_parquet(tmp_path / "data" / "data" / "chunk-000" / "file-000.parquet")
    assert rows["observation.state"][0].shape == (8,)
    assert rows["observation.joint_pos"][0].shape == (7,)
    assert (np.stack(list(rows["action"]))[:, 6] == np.stack(list(rows["intended_action"]))[:, 6]).all()
    assert rows["subtask_index"].nunique() > 3

    again: Any = registry.make_policy("replay", {"data": str(tmp_path / "data")}, spec).policy
    played = run_episode(env, again, episode, suite.protocol, [make() for make in again.observers])
    env.close()
    assert (played.outcome, played.steps) == ("success", result.steps)
    assert (played.scene_hash, played.final_hash) == (result.scene_hash, result.final_hash)
