"""Displacing an object of a real LIBERO scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.protocols import Env, Needs
from mmact_eval.runs.episodes import suite_tasks
from mmact_eval.suite import Suite
from mmact_eval.transforms.disturbance import DisturbedEnv
from mmact_eval.types import Episode

pytestmark = pytest.mark.libero
SETTINGS = "protocol.disturbance={metres: 0.04, first_step: 3, last_step: 6}"


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("libero-object", [SETTINGS])


@pytest.fixture(scope="module")
def env(suite: Suite) -> Iterator[Env]:
    plugin = registry.env_plugin("libero")
    made = plugin.make(suite, suite_tasks(plugin, suite)[0], Needs((), privileged=True))
    yield made
    made.close()


def test_the_goals_object_jumps_once_at_the_episodes_step_and_nothing_else_does(env: Env, suite: Suite) -> None:
    assert suite.protocol.disturbance is not None
    episode = Episode(suite.name, suite_tasks(registry.env_plugin("libero"), suite)[0].name, 0, 0)
    still = np.tile(np.array([0, 0, 0, 0, 0, 0, -1], np.float32), (10, 1))

    def positions(chunk: int, disturbed: bool) -> tuple[dict[str, NDArray[Any]], str, str]:
        used = DisturbedEnv(env, suite.protocol.disturbance) if disturbed and suite.protocol.disturbance else env
        observation = used.begin(episode)
        scene = used.scene_hash()
        for start in range(0, 10, chunk):
            observation = used.step_chunk(still[start : start + chunk])[0]
        assert observation.privileged is not None
        bodies = observation.privileged["bodies"]
        return {name: body["position"] for name, body in bodies.items()}, scene, used.state_hash()

    before, scene, state = positions(10, disturbed=False)
    after, scene_disturbed, state_disturbed = positions(10, disturbed=True)
    assert scene == scene_disturbed
    assert state != state_disturbed
    target = next(name for name in before if name.startswith("alphabet_soup"))
    moved = {name: float(np.linalg.norm(after[name] - before[name])) for name in before}
    assert moved.pop(target) == pytest.approx(0.04, abs=0.005)
    assert max(moved.values()) < 0.002
    assert positions(1, disturbed=True)[2] == state_disturbed  # wherever chunks begin
    assert positions(10, disturbed=False)[2] == state  # and the next episode is as if nothing had been
