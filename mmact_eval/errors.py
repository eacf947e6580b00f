"""Errors a user can do something about: one clear message, a non-zero exit code, no traceback."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mmact_eval.wording import counted

if TYPE_CHECKING:
    from mmact_eval.types import PolicyOutput


class MmactEvalError(Exception):
    """Base class; the command line prints the message and exits with `exit_code`."""

    exit_code = 1


class UsageError(MmactEvalError):
    """What was asked cannot be done: unknown names, wrong values, missing files or packages.

    Attributes:
        problem: what is wrong.
        remedy: what to do about it, "" where the problem says it all.
    """

    exit_code = 2

    def __init__(self, problem: str = "", remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem, self.remedy = problem, remedy


class IncompatibleError(UsageError):
    """The policy and the environment do not fit; the message names both sides of every mismatch."""


class RunFolderError(MmactEvalError):
    """The run folder cannot be used: locked by another run, made under another protocol, not writable, full."""

    exit_code = 2


class RunAborted(MmactEvalError):
    """The run stopped early; what was computed is on disk and the same command goes on from there."""


class Preempted(RunAborted):
    """The run stopped early because its place is wanted for something else; it should be started again later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: batch scripts tell it from errors


class Stopped(BaseException):
    """Somebody asked the run to stop (SIGTERM, SIGUSR1, SIGUSR2). No `except Exception` of a policy's may swallow it.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.number = number


class PolicyFailure(MmactEvalError):
    """The policy raised; the message says what."""


_HAVE = ("query has", "queries have")


class SomeQueriesFailed(PolicyFailure):
    """Some queries of a batch have no answer. The others have: nothing is asked again.

    Attributes:
        answers: for each query its output, or a `PolicyFailure` that says why there is none.
    """

    def __init__(self, answers: Sequence[PolicyOutput | PolicyFailure]) -> None:
        failures = [answer for answer in answers if isinstance(answer, PolicyFailure)]
        super().__init__(f"{len(failures)} of {counted(len(answers), *_HAVE)} no answer, the first: {failures[0]}")
        self.answers = answers


class PolicyContractError(MmactEvalError):
    """A policy returned something that is not a chunk of the promised shape."""


class EnvironmentFailure(MmactEvalError):
    """The simulator refused or broke; counted as an error of the episode, never as a failure."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean "libero-long"?`` when something close is known, else the empty string."""
    close = difflib.get_close_matches(name, list(known), n=2, cutoff=0.5)
    if not close:
        return ""
    best, *others = close
    close = [best, *(other for other in others if other[:1] == name[:1])]  # slips of the first letter are rare
    return " Did you mean " + " or ".join(f'"{c}"' for c in close) + "?"
