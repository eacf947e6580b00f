"""Policies for tests of servers and clients; used through ``file.py:attr``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from peers.hashing import actions_for

from mmact_eval import Episode, PolicyOutput, PolicySpec, Query
from mmact_eval.specs import EnvSpec


class HashPolicy:
    """Its actions are a hash of all it sees, and of how many queries it has answered in the episode.

    A single changed bit of an image or a state, a lost or repeated query or a forgotten reset gives other actions.
    """

    def __init__(self, env_spec: EnvSpec, seconds: float = 0.0, chunk: int = 4, replan: int | None = 3) -> None:
        self._seconds = seconds
        self._count: dict[Episode, int] = {}
        self.spec = PolicySpec(
            "hash",
            env_spec.action,
            chunk=chunk,
            replan=replan,
            cameras=tuple(env_spec.cameras),
            state=tuple(env_spec.state),
            config={"seconds": seconds, "replan": replan},
        )

    def reset(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._count[episode] = 0

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        time.sleep(self._seconds)
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> PolicyOutput:
        seen = query.observation
        digest = hashlib.blake2b(f"{seen.instruction} {query.index} {self._count[query.episode]}".encode())
        for name in sorted(seen.images):
            digest.update(name.encode() + seen.images[name].tobytes())
        for name in sorted(seen.state):
            digest.update(name.encode() + seen.state[name].tobytes())
        self._count[query.episode] += 1
        rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "little"))
        shape = (self.spec.chunk, self.spec.action.dim)
        return PolicyOutput(rng.uniform(-1, 1, shape).astype(np.float32), text=digest.hexdigest()[:8])


class LiberoHash:
    """The policy of `peers/hashing.py` on LIBERO's observations."""

    def __init__(self, env_spec: EnvSpec) -> None:
        self.spec = PolicySpec(
            "libero hash",
            env_spec.action,
            chunk=10,
            replan=4,
            cameras=("agentview", "wrist"),
            state=("eef_pos", "eef_axis_angle", "gripper_qpos"),
        )

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(self._actions(query)) for query in queries]

    def _actions(self, query: Query) -> NDArray[np.float32]:
        seen = query.observation
        state = np.concatenate([seen.state[key] for key in self.spec.state])
        parts = [*(seen.images[camera] for camera in self.spec.cameras), state, seen.instruction]
        actions: NDArray[np.float32] = actions_for(parts).astype(np.float32)
        return actions
