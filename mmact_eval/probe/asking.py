"""Asks a policy about frames, each as the first query of its episode, and counts what cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.engine.batcher import Answer, PolicyBatcher
from mmact_eval.engine.limits.hard_deadline import HardDeadline
from mmact_eval.errors import PolicyContractError
from mmact_eval.probe.reference import Frame
from mmact_eval.protocols import Policy
from mmact_eval.types import Observation, Query

Change = Callable[[Observation], Observation]


@dataclass(frozen=True)
class Answers:
    """What a policy said to every frame.

    Attributes:
        chunks: for each frame (T, D) float32, or None if there is no usable answer.
        errors: for each frame why, "" if there is an answer.
    """

    chunks: tuple[NDArray[np.float32] | None, ...]
    errors: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every frame has an answer."""
        return all(chunk is not None for chunk in self.chunks)

    @property
    def error(self) -> str:
        """The first error, "" if there is none."""
        return next((error for error in self.errors if error), "")

    def usable(self) -> list[NDArray[np.float32]]:
        """The answers there are."""
        return [chunk for chunk in self.chunks if chunk is not None]


class Asker:
    """Puts questions to one policy.

    Attributes:
        asked: how many queries it has been asked.
    """

    def __init__(self, policy: Policy, frames: Sequence[Frame], max_batch: int, timeout: float) -> None:
        """
        Args:
            policy: answers.
            frames: what it is asked about.
            max_batch: most queries at once.
            timeout: seconds it may take for them.
        """
        self._policy, self._frames = policy, frames
        self._max_batch, self._timeout = max_batch, timeout
        self.asked = 0

    def ask(self, change: Change = lambda seen: seen, index: int = 0) -> Answers:
        """Ask about every frame, its observation changed.

        The policy is told before each query that its episode begins, so that it remembers nothing of the one before;
        its random numbers belong to (episode, `index`), so that the same ones are drawn whatever is changed.

        Raises:
            RunAborted: the policy does not answer in time.
            PolicyContractError: an answer is no chunk of the promised shape.
        """
        found: list[Answer | None] = [None] * len(self._frames)
        batcher = PolicyBatcher(self._policy, self._max_batch, self._timeout)
        with HardDeadline(self._timeout) as deadline:
            for batch in self._batches():
                deadline.beat()
                for number in batch:
                    frame = self._frames[number]
                    batcher.reset(frame.episode)
                    seen = self._limited(change(frame.observation))
                    batcher.submit(Query(seen, frame.episode, index), _keep(found, number))
                while batcher:
                    deadline.beat()
                    batcher.answer_batch()
                self.asked += len(batch)
        answers = [answer for answer in found if answer is not None]
        broken = next((answer.error for answer in answers if answer.contract), "")
        if broken:
            raise PolicyContractError(broken)
        chunks = tuple(None if a.output is None else np.asarray(a.output.actions, np.float32) for a in answers)
        return Answers(chunks, tuple(answer.error for answer in answers))

    def _limited(self, seen: Observation) -> Observation:
        """Without cameras that the policy does not look at, as in a run."""
        return Observation({c: seen.images[c] for c in self._policy.spec.cameras}, seen.state, seen.instruction)

    def _batches(self) -> list[list[int]]:
        """Frames of different episodes together: queries of one call belong to different episodes."""
        rounds: list[list[int]] = []
        count: dict[object, int] = {}
        for number, frame in enumerate(self._frames):
            turn = count.get(frame.episode, 0)
            count[frame.episode] = turn + 1
            if turn == len(rounds):
                rounds.append([])
            rounds[turn].append(number)
        return rounds


def _keep(found: list[Answer | None], number: int) -> Callable[[Answer], None]:
    def reply(answer: Answer) -> None:
        found[number] = answer

    return reply
