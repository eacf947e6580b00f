"""The nouns of an evaluation: episode, observation, query, policy output, episode result.

Everything here is immutable data that crosses process boundaries; nothing here knows a simulator or a model.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Self

Outcome = Literal["success", "failure", "error"]
"""How an episode ended. An *error* (exception, crash, time limit) is never counted as a failure or a success."""


def derive_seed(*parts: object) -> int:
    """A 32-bit seed that depends on the parts alone: not on the process, the platform or `PYTHONHASHSEED`.

    Parts are joined by a separator that `str` of the parts used here never contains, so that ("ab", "c") and
    ("a", "bc") differ.
    """
    digest = hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


@dataclass(frozen=True, order=True)
class Episode:
    """The identity of a rollout: all of its randomness follows from these four, and nothing else.

    Attributes:
        suite: canonical suite name, such as ``libero-object``.
        task: task name within the suite.
        init_state: index of the benchmark's initial state, from 0.
        seed: the run's seed. In seed mode ``upstream`` it is what the sequential loop would pass to ``env.seed``.
    """

    suite: str
    task: str
    init_state: int
    seed: int

    @property
    def key(self) -> str:
        """A unique, readable name: ``libero-object/pick_up_the_milk/init3/seed0``."""
        return f"{self.suite}/{self.task}/init{self.init_state}/seed{self.seed}"

    @property
    def file_stem(self) -> Path:
        """``<task>/init03-seed0``: where a file of this episode lies below a folder for one kind of file of one run.

        It has no suffix. A task name that is too long for a file system, or holds what a file name cannot, is cut or
        changed and gets a hash of the whole name: tasks that begin alike stay apart. Other names, in any script, are
        left as they are.
        """
        return Path(_folder_name(self.task)) / f"init{self.init_state:02d}-seed{self.seed}"

    def derived_seed(self, *salt: object) -> int:
        """A 32-bit seed bound to this episode and a purpose, e.g. ``episode.derived_seed("scene")``."""
        return derive_seed(self.seed, self.suite, self.task, self.init_state, *salt)


_LONGEST_FOLDER_NAME = 100
"""Bytes: file systems take 255 for a name, encrypted ones 143."""

_HASH_LETTERS = 8
_UNSAFE = re.compile(r"[/\x00-\x1f\x7f]|^\.")


def _folder_name(task: str) -> str:
    whole = task.encode("utf-8", "backslashreplace")
    safe = _UNSAFE.sub("_", whole.decode()) or "_"
    if safe == task and len(whole) <= _LONGEST_FOLDER_NAME:
        return task
    start = safe.encode()[: _LONGEST_FOLDER_NAME - _HASH_LETTERS - 1].decode(errors="ignore")  # never half a letter
    return f"{start}-{hashlib.blake2b(whole, digest_size=_HASH_LETTERS // 2).hexdigest()}"


@dataclass(frozen=True)
class Observation:
    """What a policy may look at.

    Attributes:
        images: camera name → (H, W, 3) uint8 RGB, in the orientation the suite's protocol names.
        state: named proprioceptive vectors, float64; units and order are in the environment's `EnvSpec`.
        instruction: the task in words; where an episode has several stages, that of the stage under way.
        privileged: simulator ground truth (object poses, goal), present only for policies whose spec asks for it.
    """

    images: Mapping[str, NDArray[np.uint8]]
    state: Mapping[str, NDArray[np.float64]]
    instruction: str
    privileged: Mapping[str, Any] | None = None

    def copied(self) -> Observation:
        """The same with arrays and maps of its own. Looks at every image: those that are lazy are drawn."""
        images = {camera: np.array(image) for camera, image in self.images.items()}
        state = {key: np.array(vector) for key, vector in self.state.items()}
        truth = pickle.loads(pickle.dumps(self.privileged, pickle.HIGHEST_PROTOCOL))  # faster than deepcopy
        return Observation(images, state, self.instruction, truth)


@dataclass(frozen=True)
class Query:
    """One question to a policy.

    Attributes:
        observation: what it sees now. Its arrays are the policy's own: it may work on them in place, and keep them.
        episode: whose rollout it is; with `index` the only source of randomness a policy may use.
        index: number of the query within the episode, from 0; it runs on where a stage begins.
        new_stage: it is the first query of a further stage: the instruction is another, and the policy was told by
            `reset` to forget what it knows of the episode. False for an episode's first query.
    """

    observation: Observation
    episode: Episode
    index: int
    new_stage: bool = False

    def copied(self) -> Query:
        """The same question with an observation of its own: what one asked does to its arrays, no other sees."""
        return replace(self, observation=self.observation.copied())

    def rng(self) -> np.random.Generator:
        """A generator bound to (episode, query index): independent of batch, worker and order."""
        return np.random.default_rng(self.episode.derived_seed("policy", self.index))


@dataclass(frozen=True)
class PolicyOutput:
    """What a full model answers.

    Attributes:
        actions: (T, D) float32 chunk in the environment's action convention; T ≥ 1.
        text: generated text (a plan or the current sub-task), if any.
        image: generated (H, W, 3) uint8 image (a sub-goal), if any.
        extras: anything else worth recording (token ids, timings), picklable. Three keys mean something to the engine:
            ``image_of``: ``{"camera": …, "steps": …}``, of which camera and how many steps from now `image` is a
            prediction; it is scored against that frame. ``panel``: True to have text and image drawn into the video.
            ``figures``: name → finite number; the mean over the queries that say one is the episode's figure
            ``policy/name``.
    """

    actions: NDArray[np.float32]
    text: str | None = None
    image: NDArray[np.uint8] | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenPasses:
    """A sequence of tokens that a network goes over, once or more often, for a part of an answer.

    Attributes:
        purpose: of this part of the answer, e.g. ``actions``, ``plan``, ``picture``.
        tokens: kind → how many the network reads at each pass, e.g. ``{"pictures": 512, "text": 20, "masks": 56}``.
        passes: how often it does.
    """

    purpose: str
    tokens: Mapping[str, int]
    passes: int


@dataclass(frozen=True)
class AnswerCost:
    """What a policy says of the work that an answer is.

    Attributes:
        parameters: part of the policy → the numbers that it has learned.
        sequences: what is read for the answer; empty where there are no tokens.
    """

    parameters: Mapping[str, int]
    sequences: tuple[TokenPasses, ...] = ()


ROLLOUT_FIGURES = ("env", "policy")
"""Groups of figures that are said by the rollout itself; others are what somebody who watched it has measured."""

LARGEST_FIGURE = 1e100
"""Sums of squares of larger ones leave the range of floating-point numbers."""


@dataclass(frozen=True)
class Stage:
    """One of the instructions that an episode gives one after another, as far as it was attempted.

    Attributes:
        task: what was asked, by the benchmark's name.
        steps: environment steps executed under it.
        success: whether it was solved.
    """

    task: str
    steps: int
    success: bool


@dataclass(frozen=True)
class EpisodeResult:
    """One finished episode, one line in a run's ``episodes.jsonl``.

    The first block is reproducible: it is the same for any worker count, order, batch size, resume or crash.
    The second describes this particular execution; the third, reproducible again, what became of the answers.

    Attributes:
        episode: its identity.
        outcome: success, failure or error.
        steps: environment steps executed under the policy (settle steps not counted).
        queries: how often the policy was asked.
        scene_hash: hash of the scene after reset (fixtures, object and robot poses); "" if the reset failed.
        final_hash: hash of the simulator state at the end; "" if there was no end.
        error_kind: for errors: ``environment`` or ``policy`` (an exception), ``contract`` (the policy's answer is not a
            chunk of the promised shape), ``crash`` (the process died), ``timeout``; else "".
        error: for errors: one-line message; the traceback is in the worker's log.
        scene_remarks: what was not as it should be when the policy saw the scene first (objects in the air, say).
        attempts: how many times the episode was started, 1 if it went well at once.
        seconds: wall-clock seconds from reset to end.
        env_seconds: of these, spent in the environment.
        wait_seconds: of these, spent waiting for the policy: drawing what it looks at, batching and transport included.
        latencies: for each query the seconds of the policy's `act` call that answered it.
        artifacts: kind → path relative to the run folder, e.g. ``video``.
        executed: for each query how many actions of the answer were executed.
        short_answers: how many answers held fewer actions than would have been executed, though the policy does not say
            that its chunks vary.
        beyond_range: how many of the steps × D numbers executed lay far beyond the action's range.
        farthest: the farthest of these, 0 if there is none.
        figures: named numbers: ``env/…`` (the environment's ``info["figures"]``), ``policy/…`` (the policy's
            ``extras["figures"]``), and what observers measured (``plan/…``, ``picture/…``, ``disturbance/…``).
        stages: what was asked one after another and attempted, in order, where the suite's episodes have stages. The
            first that failed, or was not finished, is the last.
    """

    episode: Episode
    outcome: Outcome
    steps: int = 0
    queries: int = 0
    scene_hash: str = ""
    final_hash: str = ""
    error_kind: str = ""
    error: str = ""
    scene_remarks: tuple[str, ...] = ()

    attempts: int = 1
    seconds: float = 0.0
    env_seconds: float = 0.0
    wait_seconds: float = 0.0
    latencies: tuple[float, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)

    executed: tuple[int, ...] = ()
    short_answers: int = 0
    beyond_range: int = 0
    farthest: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()

    @property
    def stages_solved(self) -> int:
        """How many stages were solved."""
        return sum(stage.success for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary; `from_json` is its inverse. Figures and stages are left out if there are none."""
        record = asdict(self)
        episode = record.pop("episode")
        for rare in ("figures", "stages"):
            if not record[rare]:
                del record[rare]
        return {**episode, **record, "latencies": [round(value, 6) for value in self.latencies]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> EpisodeResult:
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: the record is not one of ours.
        """
        episode = Episode(
            suite=str(record["suite"]),
            task=str(record["task"]),
            init_state=int(record["init_state"]),
            seed=int(record["seed"]),
        )
        if record["outcome"] not in ("success", "failure", "error"):
            raise ValueError(f"unknown outcome {record['outcome']!r}")
        values = {key: value for key, value in record.items() if key in _RECORDED}
        for key in ("steps", "queries", "attempts", "short_answers", "beyond_range"):
            values[key] = int(values.get(key, 0))
        for key in ("seconds", "env_seconds", "wait_seconds", "farthest"):
            values[key] = float(values.get(key, 0.0))
        values["scene_remarks"] = tuple(map(str, values.get("scene_remarks", ())))
        values["executed"] = tuple(int(value) for value in values.get("executed", ()))
        values["latencies"] = tuple(float(value) for value in values.get("latencies", ()))
        values["figures"] = _figures(values.get("figures", {}))
        values["stages"] = tuple(map(_stage, values.get("stages", ())))
        if not all(stage.success for stage in values["stages"][:-1]):
            raise ValueError("a stage follows one that was not solved")
        return cls(episode=episode, **values)

    def course(self) -> tuple[object, ...]:
        """What happened in the simulator, whatever was said of it; equal for equal rollouts."""
        return (self.episode, self.outcome, self.steps, self.queries, self.scene_hash, self.final_hash, self.stages)

    def reproducible(self) -> tuple[object, ...]:
        """The part that must not depend on how the run was executed: the course, and the rollout's own figures.

        Observers' figures are no part of it, as a rollout is the same whoever watches.
        """
        return (*self.course(), self.reproducible_figures())

    def reproducible_figures(self) -> tuple[tuple[str, float], ...]:
        """What environment and policy said, by name."""
        own = ((name, value) for name, value in self.figures.items() if name.partition("/")[0] in ROLLOUT_FIGURES)
        return tuple(sorted(own))


_RECORDED = frozenset(part.name for part in fields(EpisodeResult)) - {"episode"}


def _figures(record: Any) -> dict[str, float]:
    """Figures as a record has them.

    Raises:
        ValueError: it is no mapping, or a value is no finite number; says which.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"figures are {type(record).__name__}, not a mapping of names to numbers")
    for name, value in record.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_FIGURE:
            raise ValueError(f'figure "{name}" is {value!r}, no finite number')
    return {name: float(value) for name, value in record.items()}


def _stage(record: Any) -> Stage:
    """A stage as a record has it.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    task, steps, success = record["task"], record["steps"], record["success"]
    if not (isinstance(task, str) and type(steps) is int and steps > 0 and isinstance(success, bool)):
        raise ValueError(f"a stage is a task, a number of steps and whether it was solved, not {record!r:.80}")
    return Stage(task, steps, success)


class About(str):
    """A line for people that knows the field it is about.

    Attributes:
        field: its dotted name, such as ``protocol.max_steps``.
    """

    field: str

    def __new__(cls, field: str, text: str) -> Self:
        line = super().__new__(cls, f"{field}: {text}")
        line.field = field
        return line

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # in another process it is a line like others


class Change(About):
    """``protocol.max_steps: 280 → 100``.

    Attributes:
        before, now: the values, ``(absent)`` for none.
    """

    before: Any
    now: Any

    @classmethod
    def of(cls, field: str, before: Any, now: Any) -> Change:
        """The line that says so."""
        line = cls(field, f"{before} → {now}")
        line.before, line.now = before, now
        return line
