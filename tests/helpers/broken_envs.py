"""Environment plug-ins of which each breaks one promise; the toy keeps the others."""

from __future__ import annotations

import itertools
import json  # a module that nothing else of these tests' plug-ins "requires"
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.toy import ToyPlugin
from mmact_eval.envs.toy.args import ToyArgs
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation

Five = tuple[Observation, float, bool, bool, dict[str, Any]]
_calls = itertools.count()


class _Plugin(ToyPlugin):
    env: type[ToyEnv] = ToyEnv

    def make(self, suite: Suite, task: Task, needs: Needs) -> ToyEnv:
        return self.env(self.spec(suite), suite, task, needs, ToyArgs.parse(suite.env_args))


class MisspeltPlugin(_Plugin):
    def prepare_runs(
        self, suite: Suite, episodes: Sequence[Episode], workers: int, say: Callable[[str], None]
    ) -> Mapping[str, str]:
        return {}


class MisshapenPlugin(_Plugin):
    def setup(self) -> None: ...


class IncompletePlugin(_Plugin):
    versions: Any = None

    def spec(self) -> EnvSpec:  # type: ignore[override]
        raise NotImplementedError


class EagerPlugin(_Plugin):
    requires = ("json",)
    loads = json.loads


class TwinTasks(_Plugin):
    def tasks(self, suite: Suite) -> list[Task]:
        return [*super().tasks(suite), *super().tasks(suite)]


class OddSpec(_Plugin):
    def spec(self, suite: Suite) -> EnvSpec:
        spec = super().spec(suite)
        return EnvSpec(**{**vars(spec), "cameras": {"top": 64}})


class NumberedVersions(_Plugin):
    def versions(self) -> Mapping[str, Any]:
        return {"toy": 1}


class NoteOfTheEpisodes(_Plugin):
    def prepare_run(
        self, suite: Suite, episodes: Sequence[Episode], workers: int, say: Callable[[str], None]
    ) -> Mapping[str, str]:
        return {"episodes": str(len(episodes))}


class UnpreparedProcess(_Plugin):
    def prepare_process(self, worker: int, workers: int) -> Any:
        return None


class _Misspelt(ToyEnv):
    def scene_remark(self) -> tuple[str, ...]:
        return ("floating",)


class _FloatPictures(ToyEnv):
    def _observe(self) -> Observation:
        seen = super()._observe()
        images: Any = {camera: image / np.float32(255.0) for camera, image in seen.images.items()}
        return Observation(images, seen.state, seen.instruction, seen.privileged)


class _SameArrays(ToyEnv):
    """What was observed before changes with the simulation."""

    def _observe(self) -> Observation:
        seen = super()._observe()
        self._given = getattr(self, "_given", seen)
        for key, vector in seen.state.items():
            self._given.state[key][:] = vector
        return Observation(seen.images, self._given.state, seen.instruction, seen.privileged)


class _Leaves(ToyEnv):
    def render(self) -> NDArray[np.uint8]:
        raise SystemExit(0)


class _NoSteps(ToyEnv):
    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        *others, info = super().step_chunk(actions)
        return (*others, {"success": info["success"]})  # type: ignore[return-value]


class _Remembers(ToyEnv):
    """The scene depends on how many were there before."""

    def begin(self, episode: Episode) -> Observation:
        return super().begin(Episode(episode.suite, episode.task, episode.init_state, next(_calls)))


class _DrawsWhileLooking(ToyEnv):
    """Rendering moves the simulation: cameras are asked for one after the other."""

    def _observe(self) -> Observation:
        if len(self._needs.cameras) > 1:
            self._position = self._position + 1e-6
        return super()._observe()


class _SeededByHash(ToyEnv):
    def scene_hash(self) -> str:
        return f"{super().scene_hash()}-{hash('a text')}"


class _DrawsAll(ToyEnv):
    def _observe(self) -> Observation:
        self._needs = Needs(tuple(self.interface.cameras), self._needs.privileged)
        return super()._observe()


class _SameScenes(ToyEnv):
    def begin(self, episode: Episode) -> Observation:
        return super().begin(Episode(episode.suite, episode.task, 0, episode.seed))


class _SkipsLast(ToyEnv):
    """Stops before the last action of a chunk: where it stops follows from T."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        return super().step_chunk(actions[:-1] if len(actions) > 4 else actions)


class _Unsaid(ToyEnv):
    """Stops after three steps, whatever T, and does not say so when these were the last."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        before_pause = 3 - self._steps % 3
        return super().step_chunk(actions[:before_pause])


class _Paused(_Unsaid):
    """The same, and says so."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        *others, info = super().step_chunk(actions)
        return (*others, {**info, "interrupted": self._steps % 3 == 0})  # type: ignore[return-value]


class _HashOfTheScene(ToyEnv):
    def state_hash(self) -> str:
        return self.scene_hash()


class _PicturesPush(ToyEnv):
    def render(self) -> NDArray[np.uint8]:
        self._position = self._position + 1e-6
        return super().render()


class _HurriesNearTheEnd(ToyEnv):
    def _advance(self, action: NDArray[Any]) -> None:
        super()._advance(np.asarray(action) * (2.0 if self._protocol.max_steps < 10 else 1.0))


class _DisturbsInSilence(ToyEnv):
    def disturb(self, rng: np.random.Generator, metres: float) -> str:
        super().disturb(rng, metres)
        return ""


class _GoesOn(ToyEnv):
    """Looks for success at the end of a chunk only."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        for action in actions:
            self._advance(action)
            self._steps += 1
        success = self._success
        return self._observe(), float(success), success, False, {"steps": len(actions)}


class _WrongSpace(ToyEnv):
    def reset(self, **given: Any) -> Any:
        observation, info = super().reset(**given)
        return {"state": observation["state"]}, info


class _ClosesOnce(ToyEnv):
    _closed = False

    def close(self) -> None:
        if self._closed:
            raise RuntimeError("the simulator is gone")
        self._closed = True


def _of(env_class: type[ToyEnv]) -> ToyPlugin:
    plugin = _Plugin()
    plugin.env = env_class
    return plugin


paused = _of(_Paused)

BROKEN: Sequence[tuple[ToyPlugin, str, str]] = (
    (MisspeltPlugin(), "optional members of the plug-in", 'has "prepare_runs".*did you mean "prepare_run"'),
    (MisshapenPlugin(), "optional members of the plug-in", r'"setup" cannot be called as `setup\(say\)`'),
    (
        IncompletePlugin(),
        "members of the plug-in",
        r'"spec" cannot be called as `spec\(suite\)`.*"versions" is NoneType',
    ),
    (EagerPlugin(), "answers without the simulator", "asking imported json"),
    (TwinTasks(), "tasks", '"easy" is there twice'),
    (OddSpec(), "spec", r'camera "top" is 64; it must be \(height, width\)'),
    (NumberedVersions(), "versions", "holds 'toy': 1; both must be text"),
    (NoteOfTheEpisodes(), "prepare_run", "with 2 episodes and with one"),
    (UnpreparedProcess(), "prepare_process", "returned NoneType, no mapping"),
    (_of(_Misspelt), "optional members of the environment", 'did you mean "scene_remarks"'),
    (_of(_FloatPictures), "observation", r'image "side" is float32 \(32, 32, 3\); the spec says uint8'),
    (_of(_SameArrays), "observation", 'what `begin` returned is another after a step.*state "position" differs'),
    (_of(_Leaves), "render", "SystemExit: 0"),
    (_of(_NoSteps), "step_chunk returns", r"executed None \(info\[\"steps\"\]\)"),
    (_of(_Remembers), "same episode, same scene", "the scene hashes are"),
    (_of(_DrawsWhileLooking), "fresh environment, same scene", 'state "position" differs'),
    (_of(_SeededByHash), "another process, same scene", "here and there, the hashes are"),
    (_of(_DrawsAll), "nothing unseen is drawn", "images of .*where .* were asked for"),
    (_of(_SkipsLast), "a chunk is its steps", "as a chunk and one by one, actions executed are: 7 and 8"),
    (_of(_Unsaid), "a chunk is its steps", "actions executed are: 3 and 8"),
    (_of(_HashOfTheScene), "hashes", "the state hash is what it was before them"),
    (_of(_PicturesPush), "render", "before and after `render` the state hashes are"),
    (_of(_HurriesNearTheEnd), "max_steps", "with max_steps 60 and 4, state hashes are"),
    (_of(_DisturbsInSilence), "disturb", 'it says "", and the state hash is another'),
    (_of(_GoesOn), "stops at success", r"one by one, \d+ actions solve it; in the policy\'s chunks \d+ were executed"),
    (_of(_WrongSpace), "gymnasium", "AssertionError"),
    (_of(_ClosesOnce), "close", "RuntimeError: the simulator is gone"),
)
"""A plug-in, the name of the promise that it breaks, and what is said of it."""

same_scenes = _of(_SameScenes)


class _WordForAFigure(ToyEnv):
    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        *others, info = super().step_chunk(actions)
        return (*others, {**info, "figures": {"solved": "two"}})  # type: ignore[return-value]


word_for_a_figure = _of(_WordForAFigure)
