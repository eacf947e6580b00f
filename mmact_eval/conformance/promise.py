"""A promise: its words, and a function that tries whether it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mmact_eval.conformance.report import Finding

Subject = TypeVar("Subject")


class Broken(Exception):
    """The promise is not kept; says what happened instead."""


class Noted(Exception):
    """The promise is kept, and the user should know something."""


class Skipped(Exception):
    """It cannot be tried here, or does not apply; says why."""


@dataclass(frozen=True)
class Promise(Generic[Subject]):
    """What is promised, and how it is tried.

    Attributes:
        name: what is tried, in a few words.
        promised: the promise in words.
        mend: what an author who breaks it can do.
        trial: returns if it is kept; raises `Broken`, `Noted` or `Skipped`. Anything else that it raises breaks it.
    """

    name: str
    promised: str
    mend: str
    trial: Callable[[Subject], None]

    def tried_on(self, subject: Subject) -> Finding:
        """Try it."""
        try:
            self.trial(subject)
        except Skipped as why:
            return Finding(self.name, "skipped", self.promised, str(why))
        except Noted as what:
            return Finding(self.name, "note", self.promised, str(what))
        except Broken as what:
            return Finding(self.name, "failed", self.promised, str(what), self.mend)
        except (Exception, SystemExit) as error:
            return Finding(self.name, "failed", self.promised, f"{type(error).__name__}: {error}", self.mend)
        return Finding(self.name, "ok", self.promised)


def promise(name: str, promised: str, *, mend: str) -> Callable[[Callable[[Subject], None]], Promise[Subject]]:
    """A decorator that makes a function the trial of a promise; arguments as the attributes of `Promise`."""

    def decorate(trial: Callable[[Subject], None]) -> Promise[Subject]:
        return Promise(name, promised, mend, trial)

    return decorate


def require(kept: object, happened: str) -> None:
    """Go on if `kept`.

    Raises:
        Broken: it is not.
    """
    if not kept:
        raise Broken(happened)


def require_equal(first: Any, second: Any, happened: str) -> None:
    """Go on if both are equal.

    Raises:
        Broken: they are not; shows both.
    """
    require(first == second, f"{happened}: {first!r} and {second!r}")


def require_none(differences: Iterable[str], happened: str) -> None:
    """Go on if nothing differs.

    Raises:
        Broken: something does.
    """
    found = list(differences)
    require(not found, f"{happened}: {'; '.join(found)}")
