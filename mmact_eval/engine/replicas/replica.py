"""A replica: makes the policy and does with it what it is told. The same in a process, an actor and a test."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmact_eval import registry
from mmact_eval.engine.batcher import Answer, PolicyBatcher, PolicyHung
from mmact_eval.engine.replicas.link import ReplicaPlan
from mmact_eval.engine.replicas.messages import Answered, Ask, Begin, End, Problem, Told, Unfit, Used, Withdraw
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError
from mmact_eval.machine.processes import peak_memory_mib
from mmact_eval.optional import Closes
from mmact_eval.types import Episode


class OtherPolicy(UsageError):
    """What was made here is not the policy of the run."""


class Replica:
    """One policy, as often wrapped as there are arms. Use it in a process's main thread: only there can a policy that
    hangs be interrupted.

    Attributes:
        where: what it runs on.
    """

    def __init__(self, plan: ReplicaPlan) -> None:
        """
        Raises:
            OtherPolicy: the policy is not what it was in the process that asked for it.
            UsageError: it cannot be made here.
        """
        recipes = {number: arm.recipe for number, arm in plan.arms.items()}
        self._made = next(iter(recipes.values())).model.make()
        policies = {number: recipe.wrap(self._made.policy) for number, recipe in recipes.items()}
        for number, recipe in recipes.items():
            try:
                recipe.check(self._made, policies[number], plan.outputs)
            except UsageError as error:
                raise OtherPolicy(str(error)) from error
        self._wraps = [recipe.wrap for recipe in recipes.values()]
        self._batchers = {
            number: PolicyBatcher(policies[number], plan.max_batch, plan.timeout, arm.log_file)
            for number, arm in plan.arms.items()
        }
        self._troubled: dict[tuple[int, Episode], str] = {}
        self._answers: list[tuple[int, Answer]] = []
        self._files: tuple[Any, Any] = ({}, {})
        self._busy_seconds = 0.0
        self.where = {"host": socket.gethostname(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}

    @property
    def waiting(self) -> bool:
        """Whether any query waits: `turn` has something to do though nothing new was told."""
        return any(self._batchers.values())

    def turn(self, told: Iterable[Told]) -> list[Answered]:
        """Take in what was told since the last turn; then let the policy answer what waits, as one batch, of the arm
        that has waited longest.

        Returns:
            What is to be told to the pool.

        Raises:
            PolicyHung: the policy did not return in time. Nothing can be asked of this replica any more.
        """
        said = [answered for message in told for answered in self._take(message)]
        waiting = [number for number, batcher in self._batchers.items() if batcher]
        if waiting:
            said.append(self._answer(min(waiting, key=lambda number: self._batchers[number].waits_since)))
        return said

    def close(self) -> None:
        """Close the policy, and what was made around it."""
        for wrap in self._wraps:
            if isinstance(wrap, Closes):
                wrap.close()
        registry.close_policy(self._made.policy)

    def _take(self, message: Told) -> Iterator[Answered]:
        batcher = self._batchers[message.arm]
        if isinstance(message, Begin):
            problem = self._begin(message)
            if problem is not None:
                yield self._said(message.arm, problem=problem)
        elif isinstance(message, Ask):
            trouble = self._troubled.get((message.arm, message.query.episode))
            if trouble is None:
                batcher.submit(message.query, self._reply_to(message.number))
            else:
                yield self._said(message.arm, [(message.number, Answer(None, error=trouble))])
        elif isinstance(message, End):
            self._troubled.pop((message.arm, message.result.episode), None)
            with self._timed():
                batcher.ended(message.result)
        elif isinstance(message, Withdraw):
            batcher.withdraw(message.episode)
        else:
            batcher.refuse("the run has ended")

    def _begin(self, message: Begin) -> Problem | None:
        """Tell the policy; a plain exception is the answer to the episode's queries, what ends the arm a problem."""
        key = message.arm, message.episode
        self._troubled.pop(key, None)
        try:
            with self._timed():
                self._batchers[message.arm].reset(message.episode)
        except PolicyHung:
            raise
        except MmactEvalError as error:
            self._troubled[key] = str(error)
            return Problem.of(error)
        except (Exception, SystemExit) as error:
            self._troubled[key] = f"{type(error).__name__} in the policy's reset: {error}"
        return None

    def _reply_to(self, number: int) -> Callable[[Answer], None]:
        return lambda answer: self._answers.append((number, answer))

    def _answer(self, arm: int) -> Answered:
        batcher = self._batchers[arm]
        before = batcher.answered
        problem = None
        try:
            with self._timed():
                batcher.answer_batch()
        except PolicyHung:
            raise
        except RunAborted as error:
            problem = Problem.of(error)
            batcher.refuse("the run has ended")
        answers, self._answers = self._answers, []
        return self._said(arm, answers, batcher.answered - before, problem)

    def _said(
        self,
        arm: int,
        answers: Sequence[tuple[int, Answer]] = (),
        asked: int = 0,
        problem: Problem | None = None,
    ) -> Answered:
        files = self._made.read_since(), self._made.wrote()
        new = files != self._files
        self._files = files
        used = Used(round(self._busy_seconds, 3), round(peak_memory_mib(), 1), _peak_gpu_memory_mib())
        return Answered(arm, tuple(answers), asked, problem, used, *(files if new else (None, None)))

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._busy_seconds += time.perf_counter() - start


def unfit(error: BaseException, plan: ReplicaPlan | None = None) -> Unfit:
    """What a replica says that cannot start, or go on, because of this exception of `Replica` or `Replica.turn`."""
    if isinstance(error, PolicyHung) and plan is not None:
        return Unfit(f"has not answered for {plan.timeout:g} s (--policy-timeout)")
    if isinstance(error, MmactEvalError):
        return Unfit(f"cannot work: {error}", Problem.of(error) if isinstance(error, OtherPolicy) else None)
    return Unfit(f"cannot work: {type(error).__name__}: {error}")


def _peak_gpu_memory_mib() -> float:
    """Of PyTorch, if the policy has imported it: the engine itself knows no framework."""
    modules: Mapping[str, Any] = sys.modules
    torch = modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return 0.0
        devices = range(torch.cuda.device_count())
        return round(float(sum(torch.cuda.max_memory_reserved(device) for device in devices)) / 2**20, 1)
    except Exception:  # somebody else's module of this name
        return 0.0
