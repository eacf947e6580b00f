"""What a pool and its replicas say to each other, whatever brings it there. Plain picklable data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmact_eval.engine.batcher import Answer
from mmact_eval.errors import MmactEvalError, PolicyContractError, RunAborted, RunFolderError, UsageError
from mmact_eval.types import Episode, EpisodeResult, Query

# pool → replica; of an episode a replica hears in this order: Begin, Ask, Ask, …, Begin (of a stage), Ask, …, End


@dataclass(frozen=True)
class Begin:
    """An episode of an arm begins (again), or a further stage of it."""

    arm: int
    episode: Episode


@dataclass(frozen=True)
class Ask:
    """A query. `number` is of this query alone, among all of the pool."""

    number: int
    arm: int
    query: Query


@dataclass(frozen=True)
class End:
    """An attempt at an episode is over."""

    arm: int
    result: EpisodeResult


@dataclass(frozen=True)
class Withdraw:
    """Nobody wants the answers to an episode's queries any more."""

    arm: int
    episode: Episode


@dataclass(frozen=True)
class Refuse:
    """An arm has ended: nobody wants any answer to it."""

    arm: int


Told = Begin | Ask | End | Withdraw | Refuse


# replica → pool


@dataclass(frozen=True)
class Ready:
    """The policy is made and is the one of the run. `where` is what it runs on (host, GPUs)."""

    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Why an arm cannot go on, as a policy's `MmactEvalError` said it; plain, as its class may be a user's.

    Attributes:
        text: the message.
        kind: the name of the class of ours that it is an instance of.
    """

    text: str
    kind: str

    @classmethod
    def of(cls, error: MmactEvalError) -> Problem:
        """What an error says."""
        return cls(str(error), next((kind.__name__ for kind in type(error).__mro__ if kind in _KINDS), ""))

    def as_error(self) -> MmactEvalError:
        """The error again."""
        return next((kind for kind in _KINDS if kind.__name__ == self.kind), RunAborted)(self.text)


_KINDS: tuple[type[MmactEvalError], ...] = (UsageError, RunFolderError, RunAborted, PolicyContractError)


@dataclass(frozen=True)
class Used:
    """What a replica has used since it was started.

    Attributes:
        busy_seconds: in the policy's calls.
        peak_memory_mib: the most memory that its process has had.
        peak_gpu_memory_mib: the most that PyTorch has held on its GPUs; 0 without.
    """

    busy_seconds: float = 0.0
    peak_memory_mib: float = 0.0
    peak_gpu_memory_mib: float = 0.0


@dataclass(frozen=True)
class Answered:
    """What came of a call of the policy, or of what was told before it.

    Attributes:
        arm: whose queries they were.
        answers: to queries, by their numbers; of those that were asked and are not among them, more is to come.
        asked: how many queries the policy was asked at once; 0 if it was not.
        problem: why the arm has ended, None if it has not.
        used: so far.
        read, wrote: files, as `MadePolicy.read_since` and `MadePolicy.wrote` name them; None if nothing is new.
    """

    arm: int
    answers: Sequence[tuple[int, Answer]] = ()
    asked: int = 0
    problem: Problem | None = None
    used: Used = Used()
    read: Mapping[str, str] | None = None
    wrote: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class Unfit:
    """This replica cannot work (any more).

    Attributes:
        how: why, in words that follow "the replica".
        other_policy: what it has made is not the policy of the run; then this is the `UsageError` that says so.
    """

    how: str
    other_policy: Problem | None = None


Said = Ready | Answered | Unfit
