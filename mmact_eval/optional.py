"""What a plug-in may offer beyond its protocol: a small protocol per member, asked for by `isinstance`.

    if isinstance(policy, CoversEpisodes):
        planned = policy.covers(suite, planned)

Nobody has to inherit from anything: having the member is enough, and a wrapper that shows another object's members by
``__getattr__`` has them too. `mmact_eval.conformance` notices a member that is spelled almost like one of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmact_eval.protocols import Check, Observer, SettleRow, Task, VerifyRow
from mmact_eval.types import About, AnswerCost, Episode, EpisodeResult, Observation, Query

if TYPE_CHECKING:
    from abc import ABCMeta as _ProtocolMeta

    from mmact_eval.suite import Suite
else:
    _ProtocolMeta = type(Protocol)


def members(protocol: type) -> tuple[str, ...]:
    """The public names that a protocol of this module asks for."""
    names = dict.fromkeys([*vars(protocol), *inspect.get_annotations(protocol)])
    return tuple(name for name in names if not name.startswith("_"))


class _AskedFor(_ProtocolMeta):
    """An object is an instance if it has the members, methods callable and attributes not None.

    They are looked up as anybody would: since Python 3.12 `typing` looks past ``__getattr__``, by which wrappers show
    what they wrap.
    """

    def __instancecheck__(self, thing: object) -> bool:
        for name in members(self):
            found = getattr(thing, name, None)
            if found is None or (hasattr(self, name) and not callable(found)):
                return False
        return True


# Of a policy.


@runtime_checkable
class CoversEpisodes(Protocol, metaclass=_AskedFor):
    """A policy that cannot act in every episode."""

    def covers(self, suite: Suite, episodes: Sequence[Episode]) -> Sequence[Episode]:
        """Those of the planned episodes that the policy can act in; the run is restricted to them.

        Asked once per run, of each arm.

        Raises:
            UsageError: it fits none of them; says why.
        """
        ...


@runtime_checkable
class BringsObservers(Protocol, metaclass=_AskedFor):
    """A policy whose rollouts are to be watched.

    Attributes:
        observers: picklable factories of `Observer`s, each called once per episode in the workers.
    """

    observers: Collection[Callable[[], Observer]]


@runtime_checkable
class RemarksOnResults(Protocol, metaclass=_AskedFor):
    """A policy with something to say about a run's results."""

    def remarks(self, results: Sequence[EpisodeResult]) -> Sequence[str]:
        """Lines to print below the table, from the results of all planned episodes."""
        ...


@runtime_checkable
class NamesTransport(Protocol, metaclass=_AskedFor):
    """A policy that is reached somehow.

    Attributes:
        transport_args: names of arguments that change no result (addresses) and do not bind a run folder.
    """

    transport_args: Collection[str]


@runtime_checkable
class PinsArguments(Protocol, metaclass=_AskedFor):
    """A policy that says by itself what is in the files that it was given.

    Attributes:
        pinned_args: names of arguments that name files whose content the spec states, in `checkpoint` or `config`. Of
            other arguments that name a file or a folder, the content is hashed for the fingerprint.
    """

    pinned_args: Collection[str]


@runtime_checkable
class WeighsDifferences(Protocol, metaclass=_AskedFor):
    """A policy that knows which differences between two fingerprints say nothing about it."""

    def weigh(self, differences: Sequence[About], /) -> tuple[Sequence[str], str]:
        """How the fingerprint of a folder that is to be continued differs.

        Args:
            differences: lines such as ``policy.config.metadata.pid: 12 → 345``, which know their `field`.

        Returns:
            Those that count, and what the user can do about them, "" if nothing.
        """
        ...


@runtime_checkable
class ShowsPictures(Protocol, metaclass=_AskedFor):
    """A policy that sends images elsewhere, for `mmact-eval probe`."""

    def pictures(self, observation: Observation) -> Mapping[str, NDArray[np.uint8]]:
        """Name → (H, W, 3) uint8: the images that a server gets."""
        ...


@runtime_checkable
class HearsEndings(Protocol, metaclass=_AskedFor):
    """A policy that is told how its episodes end."""

    def episode_ended(self, result: EpisodeResult) -> None:
        """An attempt at an episode is over: a success, a failure, or an error, after which it may begin again.

        The run waits until this returns. What it raises costs nobody a result and is logged.
        """
        ...


@runtime_checkable
class FreesWeights(Protocol, metaclass=_AskedFor):
    """A policy that can do without its weights where replicas of it answer."""

    def free_weights(self) -> None:
        """Nobody will ask it anything in this process: let go of what only `act` needs, GPU memory above all.

        May be called more than once. Everything else (spec, `covers`, `remarks`, `close`) goes on working.
        """
        ...


@runtime_checkable
class DescribesCost(Protocol, metaclass=_AskedFor):
    """A policy that knows what its answers take, for `mmact-eval profile`."""

    def describe_cost(self, query: Query) -> AnswerCost:
        """Parameters, and the tokens that are read for the answer; nothing is computed."""
        ...


@runtime_checkable
class Rehearses(Protocol, metaclass=_AskedFor):
    """A policy of PyTorch modules whose work can be counted where nothing is computed: on the meta device."""

    def rehearse(self, queries: Sequence[Query]) -> None:
        """Do with its modules what answering these queries does, but nothing that depends on a number they compute."""
        ...


@runtime_checkable
class Closes(Protocol, metaclass=_AskedFor):
    """A policy that holds something."""

    def close(self) -> None:
        """Free it; called once, at the end."""
        ...


# Of an environment.


@runtime_checkable
class RemarksOnScenes(Protocol, metaclass=_AskedFor):
    """An environment that can tell when a scene is not what it should be: objects in the air, say."""

    def scene_remarks(self) -> tuple[str, ...]:
        """What is not as it should be. Asked once after `begin`, recorded with the episode, counted in every table."""
        ...


@runtime_checkable
class Disturbs(Protocol, metaclass=_AskedFor):
    """An environment for protocols with a disturbance; it says ``disturbable`` in its `EnvSpec`."""

    def disturb(self, rng: np.random.Generator, metres: float) -> str:
        """Displace the object that the task is about, in a horizontal direction drawn from `rng`.

        Args:
            rng: the only source of chance.
            metres: how far.

        Returns:
            What was done, in words; "" if nothing could be displaced, which must leave the scene alone.
        """
        ...


@runtime_checkable
class MeasuresMemory(Protocol, metaclass=_AskedFor):
    """An environment that runs its simulator in a process of its own."""

    def peak_memory_mib(self) -> float:
        """The most memory that process has had, in MiB."""
        ...


# Of an environment plug-in.


@runtime_checkable
class PreparesRun(Protocol, metaclass=_AskedFor):
    """A plug-in that has something to do before a run's workers start."""

    def prepare_run(
        self, suite: Suite, episodes: Sequence[Episode], workers: int, say: Callable[[str], None]
    ) -> Mapping[str, str]:
        """Make what the episodes need.

        Args:
            suite: what is evaluated.
            episodes: those that are left to do now.
            workers: how many processes may be used.
            say: tells the user a line.

        Returns:
            Texts that join `versions` in the protocol fingerprint; they may not depend on which episodes these are.
        """
        ...


@runtime_checkable
class TellsMemory(Protocol, metaclass=_AskedFor):
    """A plug-in that knows what a worker takes, for `--workers auto`."""

    def worker_memory_gib(self, environments: int) -> float:
        """About how much memory a worker process needs that keeps so many environments open, GiB."""
        ...


@runtime_checkable
class SetsUp(Protocol, metaclass=_AskedFor):
    """A plug-in that needs what pip cannot bring."""

    def setup(self, say: Callable[[str], None], /) -> None:
        """Bring it, for `mmact-eval setup NAME`; again is harmless. `say` tells the user a line."""
        ...


@runtime_checkable
class SetsUpFrom(Protocol, metaclass=_AskedFor):
    """A plug-in that can be set up from what is on this machine already."""

    def setup_from(self, source: Path, say: Callable[[str], None], /) -> None:
        """Bring what it needs from a file or folder, for `mmact-eval setup NAME --from PATH`; again is harmless.

        Args:
            source: what the user has named; it exists.
            say: tells the user a line.

        Raises:
            UsageError: it is not what is needed; says what would be.
        """
        ...


@runtime_checkable
class SaysHowToInstall(Protocol, metaclass=_AskedFor):
    """A plug-in whose packages `pip install 'mmact-eval[EXTRA]'` does not bring everywhere."""

    def how_to_install(self) -> str:
        """What to do on this machine where one of `requires` is missing."""
        ...


@runtime_checkable
class KeepsCache(Protocol, metaclass=_AskedFor):
    """A plug-in that keeps on disk what it can make again."""

    def clear_cache(self) -> str:
        """Remove it, for `mmact-eval doctor --clear-cache`. Returns what was removed, in words; "" for nothing."""
        ...


@runtime_checkable
class Examines(Protocol, metaclass=_AskedFor):
    """A plug-in that can say what works on this machine."""

    def examine(self, deep: bool, /) -> Iterator[Check]:
        """What `mmact-eval doctor` shows. Tries things in fresh processes, in seconds; in minutes if `deep`."""
        ...


@runtime_checkable
class NamesPermissions(Protocol, metaclass=_AskedFor):
    """A plug-in some of whose settings only permit something.

    Attributes:
        permissions: names of ``env_args`` that change no result: they do not bind a run folder.
    """

    permissions: Collection[str]


@runtime_checkable
class NamesReference(Protocol, metaclass=_AskedFor):
    """A plug-in whose tasks some policy solves.

    Attributes:
        reference: that policy's name; its episodes are what `mmact-eval probe` shows to others.
    """

    reference: str


@runtime_checkable
class Verifies(Protocol, metaclass=_AskedFor):
    """A plug-in whose environment follows somebody's evaluation loop, and can prove it: for `mmact-eval verify`."""

    def verify(self, suite: Suite, tasks: Sequence[Task], *, episodes: int, steps: int) -> Iterator[VerifyRow]:
        """Run both loops on one physics and compare them, bit by bit."""
        ...


@runtime_checkable
class Settles(Protocol, metaclass=_AskedFor):
    """A plug-in that has recordings of where objects come to rest in the published physics."""

    def settle(self, suite: Suite, tasks: Sequence[Task]) -> Iterator[SettleRow]:
        """Compare the environment with them; `mmact-eval verify` does after the two loops."""
        ...


# Of an observer.


@runtime_checkable
class NamesArtifact(Protocol, metaclass=_AskedFor):
    """An observer that makes something.

    Attributes:
        artifact: what it makes, for messages when that fails.
    """

    artifact: str


OF_POLICIES: tuple[Any, ...] = (
    CoversEpisodes,
    BringsObservers,
    RemarksOnResults,
    NamesTransport,
    PinsArguments,
    WeighsDifferences,
    ShowsPictures,
    HearsEndings,
    FreesWeights,
    DescribesCost,
    Rehearses,
    Closes,
)
OF_ENVS: tuple[Any, ...] = (RemarksOnScenes, Disturbs, MeasuresMemory)
OF_ENV_PLUGINS: tuple[Any, ...] = (
    PreparesRun,
    SetsUp,
    SetsUpFrom,
    SaysHowToInstall,
    Examines,
    KeepsCache,
    NamesPermissions,
    NamesReference,
    Verifies,
    Settles,
)
