"""Questions that nobody's simulator has drawn: pictures of noise, states of small numbers, words of household tasks.

What a policy computes from them means nothing; how long it takes depends on their sizes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmact_eval.profiling.points import Point
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, Observation, Query

_SENTENCE = (
    "pick up the black bowl between the plate and the ramekin then place it on the white plate and "
    "open the top drawer of the wooden cabinet then put the cream cheese in it and close the drawer"
)


def spec_for(spec: EnvSpec, point: Point) -> EnvSpec:
    """The environment's spec with as many cameras, and pictures as large, as the point has it.

    Cameras that the environment does not have are called ``view3``, ``view4`` and so on, and are like its first one.
    """
    cameras = dict(spec.cameras)
    if point.views is not None:
        own = list(cameras)[: point.views]
        further = [f"view{number}" for number in range(len(own) + 1, point.views + 1)]
        size = next(iter(cameras.values()), (256, 256))
        cameras = {**{name: cameras[name] for name in own}, **dict.fromkeys(further, size)}
    if point.image_size is not None:
        cameras = dict.fromkeys(cameras, (point.image_size, point.image_size))
    return replace(spec, cameras=cameras)


def instruction(words: int) -> str:
    """So many words."""
    known = _SENTENCE.split()
    return " ".join(known[number % len(known)] for number in range(words))


@dataclass(frozen=True)
class Questions:
    """What one point asks, call after call: a batch of episodes that go on.

    Attributes:
        observations: what each episode sees, at every query.
        episodes: as many.
    """

    observations: Sequence[Observation]
    episodes: Sequence[Episode]

    def call(self, index: int) -> list[Query]:
        """The queries of a call, with arrays of their own: a policy may work on them in place."""
        pairs = zip(self.observations, self.episodes, strict=True)
        return [Query(seen.copied(), episode, index) for seen, episode in pairs]


def questions(spec: EnvSpec, policy: PolicySpec, point: Point, seed: int) -> Questions:
    """The questions of a point, the same for the same seed.

    Args:
        spec: of the environment, as the point has it.
        policy: says which cameras and states are looked at.
        point: how many at once, and how many words.
        seed: of everything that is made up.
    """
    episodes = [Episode(spec.name, "profile", number, seed) for number in range(point.batch)]
    return Questions([_seen(spec, policy, point, episode) for episode in episodes], episodes)


def _seen(spec: EnvSpec, policy: PolicySpec, point: Point, episode: Episode) -> Observation:
    rng = np.random.default_rng(episode.derived_seed("profile"))
    return Observation(
        images={camera: rng.integers(0, 256, (*spec.cameras[camera], 3), np.uint8) for camera in policy.cameras},
        state={key: rng.uniform(-1.0, 1.0, spec.state[key].dim) for key in policy.state},
        instruction=instruction(point.instruction_words),
        privileged={} if policy.privileged else None,
    )
