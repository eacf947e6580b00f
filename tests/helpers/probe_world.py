"""A small world for the probe: a hand, an object and a basket, two cameras, an expert, and a policy that has learned.

The policy is a ridge regression on the pixels of both cameras and the state: a function of what it is shown, so that
turning, exchanging or negating what it is shown changes its answers as it would change a network's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.probe.reference import HORIZON, Frame, Reference, choose, phases
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec, StateSpec
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

ACTION = ActionSpec(
    dim=7, control="ee_delta_pose", frame="base", rotation="axis_angle", gripper="-1 open, +1 close", hz=20.0
)
ENV = EnvSpec(
    name="small",
    cameras={"front": (16, 16), "wrist": (16, 16)},
    image_convention="upright",
    state={
        "eef_pos": StateSpec(3, "position of the hand, m"),
        "eef_quat": StateSpec(4, "orientation of the hand, quaternion xyzw"),
        "gripper_qpos": StateSpec(2, "positions of the two finger joints, m"),
    },
    action=ACTION,
)
SPEC = PolicySpec(
    name="learned", action=ACTION, chunk=8, cameras=("front", "wrist"), state=("eef_pos", "eef_quat", "gripper_qpos")
)
CHUNK = 8


@dataclass(frozen=True)
class Scene:
    hand: NDArray[np.float64]
    cup: NDArray[np.float64]
    basket: NDArray[np.float64]
    yaw: float
    turned: float
    fingers: float

    def observation(self) -> Observation:
        front = np.zeros((16, 16, 3))
        front += np.linspace(0, 60, 16)[:, None, None]  # brighter below: upside down is not upright
        _blob(front, 0, self.cup[0], self.cup[1])
        _blob(front, 1, self.basket[0], self.basket[1])
        _blob(front, 2, self.hand[0], self.hand[1])
        wrist = np.full((16, 16, 3), 40.0)
        _blob(wrist, 0, *np.clip(self.cup[:2] - self.hand[:2], -1, 1))
        wrist[:3, :6, 1] = 128 + 100 * self.yaw
        half = (np.pi + self.turned) / 2
        state = {
            "eef_pos": self.hand.copy(),
            "eef_quat": np.array([np.cos(half), np.sin(half), 0.05, 0.3]),
            "gripper_qpos": np.array([self.fingers, -self.fingers]),
        }
        pictures = {"front": front, "wrist": wrist}
        return Observation({k: p.clip(0, 255).astype(np.uint8) for k, p in pictures.items()}, state, "cup into basket")


def _blob(picture: NDArray[np.float64], channel: int, x: float, y: float) -> None:
    axis = np.linspace(-1.2, 1.2, 16)
    picture[..., channel] += 180 * np.exp(-((axis[None, :] - x) ** 2 + (-axis[:, None] - y) ** 2) / 0.15)


def _episode(number: int, frames: int) -> list[Frame]:
    rng = np.random.default_rng(number)
    cup, basket = np.append(rng.uniform(-0.9, 0.9, 2), 0.0), np.append(rng.uniform(-0.9, 0.9, 2), 0.0)
    scene = Scene(np.append(rng.uniform(-0.9, 0.9, 2), 0.8), cup, basket, rng.uniform(-0.9, 0.9), 0.0, 0.04)
    seen, actions = [], []
    held, since = False, 0
    for _ in range(120):
        goal = scene.basket + np.array([0, 0, 0.4]) if held else scene.cup
        near = np.linalg.norm(scene.hand - goal) < 0.08
        since = since + 1 if near else 0
        if since > 4:
            if held:
                break
            held, since = True, 0
        move = np.clip(2.0 * (goal - scene.hand), -1, 1)
        turn = np.clip(scene.yaw - scene.turned, -1, 1)
        action = np.array([*move, 0, 0, turn, 1.0 if held or (near and since > 2) else -1.0], np.float32)
        seen.append(scene.observation())
        actions.append(action)
        closing = action[6] > 0
        scene = replace(
            scene,
            hand=scene.hand + 0.1 * action[:3],
            cup=scene.hand + 0.1 * action[:3] if held else scene.cup,
            turned=scene.turned + 0.2 * float(action[5]),
            fingers=float(np.clip(scene.fingers + (-0.01 if closing else 0.01), 0.015, 0.04)),
        )
    acts = np.stack(actions)
    labels = phases(acts, ACTION)
    steps = range(len(acts) - 3) if frames == 0 else choose(range(0, len(acts) - 3, 2), labels, frames)
    where = Episode("small", "cup", number, 0)
    return [Frame(where, t, labels[t], seen[t], acts[t : t + HORIZON]) for t in steps]


def reference(first: int, count: int, frames: int = 6) -> Reference:
    """Episodes by number; `frames` of each, 0 for all."""
    found = [frame for number in range(first, first + count) for frame in _episode(number, frames)]
    return Reference(tuple(found), f"{count} episodes")


Before = Callable[[Observation], Observation]
After = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def features(seen: Observation, cameras: Sequence[str], state: Sequence[str], strength: float) -> NDArray[np.float64]:
    pixels = [seen.images[camera].astype(np.float64).ravel() / 255 for camera in cameras]
    return np.concatenate([*pixels, *(strength * seen.state[key] for key in state), [1.0]])


class Learned:
    """Ridge regression from what is seen to the expert's chunk; a fault is planted `before` it or `after` it."""

    def __init__(self, weights: NDArray[np.float64], before: Before, after: After, spec: PolicySpec = SPEC) -> None:
        self.strength = 3.0
        self.weights, self._before, self._after, self.spec = weights, before, after, spec

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(self._after(self._chunk(self._before(query.observation)))) for query in queries]

    def _chunk(self, seen: Observation) -> NDArray[np.float32]:
        found = features(seen, self.spec.cameras, self.spec.state, self.strength) @ self.weights
        chunk: NDArray[np.float32] = found.reshape(-1, self.spec.action.dim).clip(-1, 1).astype(np.float32)
        return chunk


def learn(frames: Sequence[Frame], strength: float = 3.0, ridge: float = 1.0) -> NDArray[np.float64]:
    """The weights, (features, CHUNK · D). `strength`: how much it relies on its state rather than on pixels."""
    rows = np.stack([features(frame.observation, SPEC.cameras, SPEC.state, strength) for frame in frames])
    dim = frames[0].actions.shape[1]
    chunks = [np.concatenate([f.actions, np.repeat(f.actions[-1:], CHUNK, 0)])[:CHUNK] for f in frames]
    targets = np.stack([chunk.reshape(CHUNK * dim) for chunk in chunks]).astype(np.float64)
    gram = rows @ rows.T
    return rows.T @ np.linalg.solve(gram + ridge * np.eye(len(rows)), targets)
