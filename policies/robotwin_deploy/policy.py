"""The policy `robotwin-deploy`: a `deploy_policy.py` behind the engine's protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmact_eval.errors import PolicyFailure, UsageError
from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.robotwin_deploy.loading import Deployed, load
from mmact_eval.policies.robotwin_deploy.task_env import TaskEnv, upstream_observation
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

_LONGEST_CHUNK = 1000
"""More actions than any policy takes without looking: the engine executes all that are handed out."""

_CAMERAS = ("head_camera", "left_camera", "right_camera")


class DeployPolicy:
    """Runs one model, which remembers its episode; so it plays one episode at a time (``--workers 1``)."""

    pinned_args = frozenset({"path"})
    """Its folder may hold much else; which files of it are imported and read is known anyway."""

    def __init__(self, spec: PolicySpec, deployed: Deployed, settings: dict[str, Any], arms: tuple[int, int]) -> None:
        self.spec = spec
        self._deployed = deployed
        self._arms = arms
        self._kind = "qpos" if spec.action.control == "joint_position" else "ee"
        self._model = deployed.get_model(settings)
        self._episode: Episode | None = None
        self._env: TaskEnv | None = None

    def reset(self, episodes: Sequence[Episode]) -> None:
        """An episode begins; the one before is over."""
        for episode in episodes:
            self._end()
            self._deployed.reset_model(self._model)
            self._episode = episode
            self._env = TaskEnv(self._play, self._kind, self.spec.action.dim)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """What `eval` does until it looks again: (T, D) float32 for each query.

        Raises:
            PolicyFailure: `eval` raised, or several episodes run at the same time.
        """
        return [self._answer(query) for query in queries]

    def close(self) -> None:
        """End the last episode's thread."""
        self._end()

    def _answer(self, query: Query) -> PolicyOutput:
        if self._env is None or query.episode != self._episode:
            raise PolicyFailure(
                "a policy written for RoboTwin remembers one episode; run it with --workers 1 (several runs, on "
                "different tasks, may go side by side)"
            )
        seen = upstream_observation(query.observation, *self._arms)
        return PolicyOutput(self._env.ask(seen, query.observation.instruction))

    def _play(self, env: TaskEnv, observation: Any) -> None:
        self._deployed.evaluate(env, self._model, observation)

    def _end(self) -> None:
        if self._env is not None:
            self._env.end()
        self._env = self._episode = None


def make_policy(env_spec: EnvSpec, path: str, **settings: Any) -> DeployPolicy:
    """Entry point ``robotwin-deploy``.

    Args:
        env_spec: a RoboTwin environment.
        path: the policy's folder or its ``deploy_policy.py``.
        settings: as upstream's ``--overrides``, they win over ``deploy_policy.yml``.

    Raises:
        UsageError: another environment, or the policy cannot be loaded.
    """
    if env_spec.name != "robotwin":
        raise UsageError(f"policies written for RoboTwin need a RoboTwin suite, not {env_spec.name}.")
    deployed = load(expanded(path))
    left, right = _arms(env_spec)
    asked = {**deployed.settings, **settings, "left_arm_dim": left, "right_arm_dim": right}
    cameras = tuple(camera for camera in _CAMERAS if camera in env_spec.cameras)
    spec = PolicySpec(
        name=str(asked.get("policy_name") or Path(path).resolve().name),
        action=env_spec.action,
        chunk=_LONGEST_CHUNK,
        chunk_varies=True,
        cameras=cameras,
        state=("joint_action", "endpose"),
        checkpoint=str(asked.get("ckpt_setting") or ""),
        config={"settings": {key: str(value) for key, value in asked.items()}},
    )
    return DeployPolicy(spec, deployed, asked, (left, right))


def _arms(env_spec: EnvSpec) -> tuple[int, int]:
    """Joints of the two arms, from the state's description."""
    found = re.search(r"left arm \((\d+)\).*right arm \((\d+)\)", env_spec.state["joint_action"].description)
    assert found is not None
    return int(found[1]), int(found[2])
