"""The protocols a plug-in implements. Nobody has to inherit from anything.

`Env` and `Policy` meet in one loop, `mmact_eval.rollout.run_episode`. An `EnvPlugin` is what an entry point in the
group ``mmact_eval.envs`` names: it can say what it offers without importing its simulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

if TYPE_CHECKING:
    from mmact_eval.suite import Suite


@runtime_checkable
class Policy(Protocol):
    """A whole model behind two methods, batched from the start.

    A policy may keep state per episode (key: `Query.episode`), never across episodes, and draws randomness only
    from `Query.rng` or a seed derived from it. One policy may serve several arms of a study, whose suites differ in
    what it does not hear of; an episode is never under way in two of them at once, and `reset` comes between.

    More that a policy may offer is in `mmact_eval.optional` (`CoversEpisodes`, `BringsObservers`, `RemarksOnResults`,
    `NamesTransport`, `PinsArguments`, `WeighsDifferences`, `ShowsPictures`, `HearsEndings`, `Closes`);
    `mmact_eval.conformance.check_policy` tries whether it keeps what is promised here.
    """

    spec: PolicySpec

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget whatever is known of these episodes; called before their first query, also on a retry, and before the
        first query of each further stage (`Query.new_stage`)."""
        ...

    def act(self, queries: Sequence[Query]) -> Sequence[PolicyOutput]:
        """Answer each query, in order. Queries of one call belong to different episodes; their arrays are this call's
        own and may be worked on in place.

        May raise `mmact_eval.errors.SomeQueriesFailed` with the answers there are, and `mmact_eval.errors.RunAborted`
        when no retry would help: what is done is kept and the run ends with that message.
        """
        ...


@runtime_checkable
class Env(Protocol):
    """A simulator task that can be reset to a given episode and executes whole chunks.

    The environments of the package are `gymnasium.Env`s too and pass `check_env`; the engine needs only these.
    More that one may offer is in `mmact_eval.optional`: `RemarksOnScenes`, `MeasuresMemory`, and `Disturbs` for one
    that says ``disturbable`` in its `EnvSpec`. `mmact_eval.conformance.check_env_plugin` tries whether it keeps what is
    promised here.
    """

    interface: EnvSpec

    def begin(self, episode: Episode) -> Observation:
        """Put the scene of this episode up, settle it as the protocol says, and observe it.

        The scene depends on the episode alone, not on what this environment did before. Observations have arrays of
        their own: observers hold the last one, which must stay as it was while the scene goes on.
        """
        ...

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute a (T, D) chunk, stopping at success, and render only the last observation.

        Returns Gymnasium's five values; ``info["steps"]`` is the number of actions executed, 1 ≤ steps ≤ T; anything
        else is an error. An environment may stop before the end of a chunk without being done (a contact, say): then
        steps < T, the rest of the policy's chunk is dropped and the policy is asked anew.

        Observers split chunks (`Observer.stride`). So where to stop must follow from the scene and not from T, and an
        environment that stops after the last action it was given says so with ``info["interrupted"] = True``.

        ``info["stages"]``, where the protocol has several: the `mmact_eval.types.Stage`s attempted so far, the one
        under way last. Once a stage is solved the chunk is over, the next one (with 0 steps) is under way, and the
        observation has its instruction; the episode ends with the last, or with the first that fails.

        ``info["figures"]``, optional: name → finite number, what it measures of the episode so far (sub-tasks solved,
        metres travelled); of each name the last value counts. They are recorded as ``env/name``, part of the
        reproducible result, and every report has a column of each.
        """
        ...

    def scene_hash(self) -> str:
        """Hash of the scene as it stood right after the reset, before settling."""
        ...

    def state_hash(self) -> str:
        """Hash of the full simulator state now."""
        ...

    def render(self) -> NDArray[np.uint8]:
        """An (H, W, 3) RGB picture for people, upright; must not change the simulation."""
        ...

    def close(self) -> None:
        """Free the simulator; again is harmless. The environment is not used afterwards."""
        ...


@dataclass(frozen=True)
class Task:
    """One instruction in one scene family.

    Attributes:
        name: unique within the suite.
        instruction: the task in words, as a policy gets it.
        init_states: how many initial states the benchmark provides.
    """

    name: str
    instruction: str
    init_states: int


@dataclass(frozen=True)
class Needs:
    """What of an environment is looked at: the rest is neither rendered nor computed."""

    cameras: tuple[str, ...] = ()
    privileged: bool = False


class VerifyRow(Protocol):
    """The bit-by-bit comparison of a task with its upstream loop, in one seed mode.

    Attributes:
        scene_equal: right after the reset.
        images_equal, states_equal: every image and state vector at each chunk.
        final_equal: the simulator's state at the end.
        equal: all of these.
        detail: the largest differences in words, "" if there are none.
        seconds_upstream, seconds_ours: wall-clock seconds, construction included.
    """

    @property
    def task(self) -> str: ...
    @property
    def seed_mode(self) -> str: ...
    @property
    def episodes(self) -> int: ...
    @property
    def scene_equal(self) -> bool: ...
    @property
    def images_equal(self) -> bool: ...
    @property
    def states_equal(self) -> bool: ...
    @property
    def final_equal(self) -> bool: ...
    @property
    def equal(self) -> bool: ...
    @property
    def detail(self) -> str: ...
    @property
    def seconds_upstream(self) -> float: ...
    @property
    def seconds_ours(self) -> float: ...


class SettleRow(Protocol):
    """Where the objects of a task's recorded scenes came to rest, held against a recording in the published physics.

    Attributes:
        scenes: how many were compared.
        gap: the largest distance of an object from where it was recorded, m.
        worst: that object, in words.
        remarks: what is not at rest when a policy sees it first.
        equal: whether the gap is within tolerance.
    """

    @property
    def task(self) -> str: ...
    @property
    def scenes(self) -> int: ...
    @property
    def gap(self) -> float: ...
    @property
    def worst(self) -> str: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...
    @property
    def equal(self) -> bool: ...


class EnvPlugin(Protocol):
    """An environment family. All methods but `make` must work without importing the simulator.

    More that one may offer is in `mmact_eval.optional`: `PreparesRun`, `TellsMemory`, `SetsUp`, `SetsUpFrom`,
    `SaysHowToInstall`, `Examines`, `NamesPermissions`, `NamesReference`, `Verifies`, `Settles`.
    `mmact_eval.conformance.check_env_plugin` tries whether a plug-in and its environments keep what is promised here.

    Attributes:
        name: what suites write in ``env:``.
        extra: the pip extra that brings its dependencies, "" if it has none.
        requires: import names that must be present, checked without importing them.
    """

    name: str
    extra: str

    @property
    def requires(self) -> tuple[str, ...]: ...

    def tasks(self, suite: Suite) -> list[Task]:
        """The suite's tasks, in the benchmark's order.

        Raises:
            mmact_eval.errors.UsageError: the suite's ``env_args`` are wrong.
        """
        ...

    def spec(self, suite: Suite) -> EnvSpec:
        """What the environments of this suite offer."""
        ...

    def prepare_process(self, worker: int, workers: int) -> Mapping[str, str]:
        """Called first thing in a worker, before the simulator is imported: choose the GL backend and the like.

        Args:
            worker: the worker's number, from 0, to spread workers over GPUs.
            workers: how many there are, to share the cores out.

        Returns:
            What was chosen, for the manifest, e.g. ``{"gl": "osmesa"}``.

        Raises:
            mmact_eval.errors.UsageError: nothing works here; says what to install.
        """
        ...

    def make(self, suite: Suite, task: Task, needs: Needs) -> Env:
        """Build the environment of a task (may take seconds).

        It may serve several arms of a study, whose protocols differ in what it does not see to. `max_steps` is then
        the largest of theirs, and the rollout loop ends an episode earlier: nothing but ``truncated`` may depend on it.
        """
        ...

    def versions(self) -> Mapping[str, str]:
        """Versions that change results (simulator, physics, assets); part of the protocol fingerprint."""
        ...


class Observer(Protocol):
    """Watches a rollout without being in it: videos, recordings, progress. May not touch environment or policy.

    One that makes something may say what (`mmact_eval.optional.NamesArtifact`), for messages when that fails. One that
    measures something is a `MeasuringObserver`.

    Attributes:
        stride: how many environment steps may pass unseen; None if seeing the chunk boundaries is enough.
    """

    stride: int | None

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """The scene is up and settled."""
        ...

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """The policy has answered."""
        ...

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """These actions have been executed; `observation` is what came after the last."""
        ...

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """The episode is over. Returns artifacts: kind → path."""
        ...


@runtime_checkable
class MeasuringObserver(Observer, Protocol):
    """An observer with numbers of its own, which become figures of the episode's result."""

    def figures(self, result: EpisodeResult) -> Mapping[str, float]:
        """Called after `on_end`: name → finite number. Names have a group of the observer's, as ``plan/exact``;
        ``env`` and ``policy`` are taken."""
        ...


Status = Literal["ok", "note", "fail"]
"""``fail``: a run needs it. ``note``: some runs go without it."""


@dataclass(frozen=True)
class Check:
    """One line of the table of `mmact-eval doctor`.

    Attributes:
        group: heading it stands under.
        name: what was looked at.
        status: how it is.
        detail: what was found.
        todo: what to do about it, "" if nothing.
    """

    group: str
    name: str
    status: Status
    detail: str
    todo: str = ""
