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
    what it does not hear of; an episode is never under way in two of them at once, and `reset` comes between. Optional
    attributes, asked for once a run (of each arm):

    - ``covers(suite, episodes)``: those of the planned episodes that the policy can act in; the run is restricted to
      them. May raise a UsageError that says why it fits none.
    - ``observers``: picklable factories of `Observer`s, called once an episode in the workers.
    - ``remarks(results)``: lines to print below the table, from the results of all planned episodes.
    - ``transport_args``: names of arguments that change no result (addresses) and do not bind a run folder.
    - ``pinned_args``: names of arguments that name files whose content the spec states by itself, in `checkpoint` or
      `config`; of other arguments that name a file or a folder, the content is hashed for the fingerprint.
    - ``weigh(differences)``: told how the fingerprint of a folder that is to be continued differs (lines such as
      ``policy.config.metadata.pid: 12 → 345``), returns those that count, and what the user can do about them ("").
    - ``pictures(observation)``: name → (H, W, 3) uint8, the images that a server gets; for `mmact-eval probe`.
    - ``close()``: called at the end.
    """

    spec: PolicySpec

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget whatever is known of these episodes; called before their first query, also on a retry."""
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

    The environments of the package are `gymnasium.Env`s too and pass `check_env`; the engine needs only these. One
    that runs its simulator in a process of its own may offer ``peak_memory_mib()``, that process's memory.

    One that can tell when a scene is not what it should be (objects in the air, say) may offer ``scene_remarks() ->
    tuple[str, ...]``, asked for once after `begin`; they are recorded with the episode and counted in every table.

    One that says ``disturbable`` in its `EnvSpec` has one more method, for protocols with a disturbance:
    ``disturb(rng, metres) -> str`` displaces the object that the task is about by so much, in a horizontal direction
    drawn from `rng`, and says in words what it did; "" if nothing could be displaced, which must leave the scene alone.
    """

    interface: EnvSpec

    def begin(self, episode: Episode) -> Observation:
        """Put the scene of this episode up, settle it as the protocol says, and observe it.

        The scene depends on the episode alone, not on what this environment did before.
        """
        ...

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute a (T, D) chunk, stopping at success, and render only the last observation.

        Returns Gymnasium's five values; ``info["steps"]`` is the number of actions executed, 1 ≤ steps ≤ T; anything
        else is an error. An environment may stop before the end of a chunk without being done (a contact, say): then
        steps < T, the rest of the policy's chunk is dropped and the policy is asked anew.

        Observers split chunks (`Observer.stride`). So where to stop must follow from the scene and not from T, and an
        environment that stops after the last action it was given says so with ``info["interrupted"] = True``.

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
        """Free the simulator."""
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

    A plug-in whose environment follows somebody's evaluation loop can prove it with one more method, which
    `mmact-eval verify` calls: ``verify(suite, tasks, *, episodes, steps)``, an iterator of `VerifyRow`s. That compares
    two loops on one physics; ``settle(suite, tasks)``, an iterator of `SettleRow`s, compares it with recordings.

    More that a plug-in may offer:

    - ``prepare_run(suite, episodes, workers, say)``, called once before a run's workers start, to make what the
      episodes need that are left to do now. Returns a mapping of texts that joins `versions` in the protocol
      fingerprint; so it may not depend on which episodes these are.
    - ``setup(say)``, called by `mmact-eval setup NAME`: bring what pip cannot bring; again is harmless.
    - ``examine(deep)``, an iterator of `Check`s that `mmact-eval doctor` shows. They try things, in
      fresh processes, and take seconds; minutes if `deep` (``doctor --deep``).
    - ``permissions``, names of ``env_args`` that permit something and change no result: they do not bind a run folder.
    - ``reference``, the name of a policy that solves its tasks, whose episodes `mmact-eval probe` shows to others.

    `say` is a function that tells the user a line.

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

    One that makes something may say what by an attribute ``artifact``, for messages when that fails. One that measures
    something is a `MeasuringObserver`.

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
