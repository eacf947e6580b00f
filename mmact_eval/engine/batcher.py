"""The policy's side of an engine: answer whatever queries wait, as one batch.

No lockstep: a batch is what has arrived while the last one was being answered, at most `max_batch`.
"""

from __future__ import annotations

import itertools
import logging
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from types import FrameType
from typing import Protocol

from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.log_file import LogFile
from mmact_eval.errors import PolicyContractError, PolicyFailure, RunAborted
from mmact_eval.optional import HearsEndings
from mmact_eval.policy_output import plain_output
from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query

log = logging.getLogger(__name__)


class PolicyHung(RunAborted):
    """The policy did not answer in time."""


@dataclass(frozen=True)
class Answer:
    """The policy's answer to a query, or why there is none. Plain data, to be sent to whoever asked.

    Attributes:
        output: None if there is none.
        act_seconds: how long the policy took for the batch.
        error: why there is no output, "" if there is one.
        contract: whether the policy broke its contract, so that no retry would help.
    """

    output: PolicyOutput | None
    act_seconds: float = 0.0
    error: str = ""
    contract: bool = False

    def opened(self) -> PolicyOutput:
        """The output, with the time it took among its extras.

        Raises:
            PolicyContractError, PolicyFailure: there is none.
        """
        if self.output is None:
            raise PolicyContractError(self.error) if self.contract else PolicyFailure(self.error)
        return replace(self.output, extras={**self.output.extras, "act_seconds": self.act_seconds})


class PolicySide(Protocol):
    """What answers an arm's queries: a `PolicyBatcher` in this process, or replicas (`engine.replicas`).

    Attributes:
        batches: how many batches have been answered.
        answered: how many queries.
        waits_since: `time.monotonic` when a query began to wait for the next `answer_batch`.
    """

    batches: int
    answered: int
    waits_since: float

    def __bool__(self) -> bool:
        """Whether anything waits for `answer_batch`."""
        ...

    def reset(self, episode: Episode) -> None:
        """Tell the policy that an episode begins (again), or a further stage of it.

        Raises:
            MmactEvalError: the arm cannot go on. Other exceptions are this episode's error.
        """
        ...

    def ended(self, result: EpisodeResult) -> None:
        """Tell the policy, if it wants to know, that an attempt at an episode is over.

        Raises:
            MmactEvalError: the arm cannot go on.
        """
        ...

    def submit(self, query: Query, reply: Callable[[Answer], None]) -> None:
        """Queue a query; `reply` is called with the answer when there is one."""
        ...

    def refuse(self, why: str) -> None:
        """From now on every query, and those that wait, are answered with this error."""
        ...

    def withdraw(self, episode: Episode) -> None:
        """Forget an episode's waiting query: its worker is gone."""
        ...

    def answer_batch(self) -> None:
        """Answer what waits, as one batch, if that is to be done here.

        Raises:
            RunAborted: the arm cannot go on.
        """
        ...


@dataclass
class _Waiting:
    """A query, who wants its answer, and whether it is to be asked alone: the batch that it was in raised."""

    query: Query
    reply: Callable[[Answer], None]
    alone: bool = False


class PolicyBatcher:
    """Collects queries and answers them in batches.

    Attributes:
        batches: how many batches have been answered.
        answered: how many queries.
        waits_since: `time.monotonic` when a query began to wait for the next batch.
    """

    def __init__(self, policy: Policy, max_batch: int, timeout: float, log_file: str = "") -> None:
        """
        Args:
            policy: answers.
            max_batch: most queries in one `act` call.
            timeout: seconds an `act` call may take.
            log_file: where the package's log goes while the policy is called; "" to leave it alone.
        """
        self._policy = policy
        self._max_batch = max_batch
        self._timeout = timeout
        self._log = LogFile(log_file)
        self._waiting: deque[_Waiting] = deque()
        self._refusal = ""
        self.batches = 0
        self.answered = 0
        self.waits_since = 0.0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def reset(self, episode: Episode) -> None:
        """Tell the policy that an episode begins (again), or a further stage of it.

        Raises:
            PolicyHung: it did not return in time. Exceptions of the policy pass through.
        """
        with self._log, _deadline(self._timeout):
            policy_calls.reset(self._policy, [episode])

    def ended(self, result: EpisodeResult) -> None:
        """Tell the policy, if it wants to know, that an attempt at an episode is over.

        Raises:
            PolicyHung: it did not return in time.
        """
        if isinstance(self._policy, HearsEndings):
            with self._log, _deadline(self._timeout):
                policy_calls.ended(self._policy, result)

    def submit(self, query: Query, reply: Callable[[Answer], None]) -> None:
        """Queue a query; `reply` is called with the answer by `answer_batch`."""
        if self._refusal:
            reply(Answer(None, error=self._refusal))
            return
        if not self._waiting:
            self.waits_since = time.monotonic()
        self._waiting.append(_Waiting(query, reply))

    def refuse(self, why: str) -> None:
        """From now on every query, and those that wait, are answered with this error."""
        self._refusal = why
        while self._waiting:
            self._waiting.popleft().reply(Answer(None, error=why))

    def withdraw(self, episode: Episode) -> None:
        """Forget an episode's waiting query: its worker is gone."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting.query.episode != episode)

    def answer_batch(self) -> None:
        """Answer what waits, at most `max_batch` queries.

        The queries of a batch that raises are asked again one by one, in the next calls, so that one bad query costs
        one episode; one that raises `SomeQueriesFailed` is not. Each call gets copies of the observations, as a policy
        may work on them in place.

        Raises:
            RunAborted: `act` says that no retry would help, or (`PolicyHung`) did not return in time; its queries wait
                still.
        """
        batch = self._next_batch()
        if not batch:
            return
        self.batches += 1
        self.answered += len(batch)
        with self._log:
            answers = self._act([waiting.query for waiting in batch])
        self.waits_since = time.monotonic()
        if answers is None:
            for waiting in batch:
                waiting.alone = True
            return
        for _ in batch:
            self._waiting.popleft()
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.reply(answer)

    def _next_batch(self) -> list[_Waiting]:
        if self._waiting and self._waiting[0].alone:
            return [self._waiting[0]]
        return list(islice(itertools.takewhile(lambda waiting: not waiting.alone, self._waiting), self._max_batch))

    def _act(self, queries: Sequence[Query]) -> list[Answer] | None:
        """The answers; None if these queries have to be asked one by one."""
        start = time.perf_counter()
        try:
            with _deadline(self._timeout):
                outputs = policy_calls.act(self._policy, [query.copied() for query in queries])
        except RunAborted:  # it hangs, or says that no retry would help
            raise
        except PolicyContractError as error:
            return [Answer(None, error=str(error), contract=True)] * len(queries)
        except (Exception, SystemExit) as error:
            log.warning("the policy raised:\n%s", traceback.format_exc())
            return [Answer(None, error=_reason(error))] if len(queries) == 1 else None
        seconds = time.perf_counter() - start
        return [self._answer(output, seconds) for output in outputs]

    def _answer(self, output: PolicyOutput | PolicyFailure, seconds: float) -> Answer:
        """A policy's output as plain data: what a worker gets must not depend on the policy's own modules."""
        if isinstance(output, PolicyFailure):
            log.warning("the policy has no answer: %s", output)
            return Answer(None, error=str(output))
        try:
            return Answer(plain_output(output, self._policy.spec.action.dim), seconds)
        except PolicyContractError as error:
            return Answer(None, error=str(error), contract=True)
        except Exception as error:
            return Answer(None, error=f"{type(error).__name__}: {error}")


def _reason(error: BaseException) -> str:
    """A `PolicyFailure` is a sentence already."""
    return str(error) if isinstance(error, PolicyFailure) else f"{type(error).__name__}: {error}"


class _Alarm(BaseException):
    """Raised in the policy's code; not an `Exception`, so that its own error handling does not swallow it."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise `PolicyHung` in the block when it takes too long; while the process stands still, so does the limit.

    An alarm does it, so it works in the main thread, for a policy that waits or computes in Python. One that hangs
    inside a C call is ended by `engine.limits.hard_deadline`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    until, over = running_seconds() + seconds, False

    def ring(number: int, frame: FrameType | None) -> None:
        left = until - running_seconds()
        if over:
            return
        if left <= 0:
            raise _Alarm
        signal.setitimer(signal.ITIMER_REAL, left)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Alarm:
        raise PolicyHung(
            f"the policy has not answered for {seconds:g} s (--policy-timeout). Finished episodes are safe; "
            "give the same command again to resume."
        ) from None
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
