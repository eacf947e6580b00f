"""Looks for the altered observation or the other reading of actions that agrees better with the expert.

One thing at a time: what agrees clearly better is put right, and the search goes on from there, so that two errors at
once are found one after the other. Three guards against false alarms: agreement must be better than by chance for as
many tries as were made (intervals over episodes, Bonferroni); it must be much better; and in the end the answers must
agree with the expert well, else nothing can be concluded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.probe.agreement import Estimate, Rows, agreement, jackknife
from mmact_eval.probe.alterations import STATE, Alteration
from mmact_eval.probe.asking import Answers, Asker
from mmact_eval.probe.dimensions import ROTATION, Dimension, amounts
from mmact_eval.probe.readings import Reading
from mmact_eval.probe.reference import Frame
from mmact_eval.specs import ActionSpec
from mmact_eval.statistics.level import ALPHA
from mmact_eval.types import Observation

ENOUGH = 0.4
"""Agreement from which on the policy is taken to know the task."""

_GAIN_OF_INPUT, _GAIN_OF_READING = 0.15, 0.5
"""How much better an altered observation, or another reading, must agree. A wrong sign makes -c of a correlation c."""

_ROUNDS = 3


@dataclass(frozen=True)
class Comparison:
    """A hypothesis beside what it was compared with.

    Attributes:
        hypothesis: an altered observation or another reading.
        plain, other: agreement without and with it.
        gain: the difference, with its error.
        clear: whether it is better beyond doubt, for as many hypotheses as are tried.
        likely: whether it is better, beyond doubt had it been the only hypothesis.
        error: why it could not be tried, "" if it could.
        change: how much the answers change with it, in units of what they differ between frames.
    """

    hypothesis: Alteration | Reading
    plain: float
    other: float
    gain: Estimate
    clear: bool
    likely: bool = False
    error: str = ""
    change: float = float("nan")


@dataclass
class Search:
    """What was found.

    Attributes:
        faults: what had to be put right, in order, each beside what it was compared with.
        rivals: for each fault the names of other hypotheses that explain it about as well.
        rest: every other hypothesis beside the set-up as it is once the faults are put right.
        agreement: in the end, over the judged dimensions.
        plain: as it is set now.
        judged: the dimensions that decide on observations: all telling ones but rotations.
        answers: to the observations as put right, read as put right: (N, D) amounts.
        expert: (N, D) amounts.
        hypotheses: how many were tried in each round.
    """

    faults: list[Comparison] = field(default_factory=list)
    rivals: list[list[str]] = field(default_factory=list)
    rest: list[Comparison] = field(default_factory=list)
    agreement: Estimate = field(default_factory=lambda: Estimate(0.0, float("inf"), 0))
    plain: Estimate = field(default_factory=lambda: Estimate(0.0, float("inf"), 0))
    judged: tuple[Dimension, ...] = ()
    answers: Rows = field(default_factory=lambda: np.zeros((0, 0)))
    expert: Rows = field(default_factory=lambda: np.zeros((0, 0)))
    hypotheses: int = 0

    @property
    def knows(self) -> bool:
        """Whether the policy agrees with the expert enough for conclusions, faults put right."""
        return self.agreement.value >= ENOUGH and self.agreement.lower(ALPHA) > 0


class Searcher:
    """Tries hypotheses against one policy's answers."""

    def __init__(
        self,
        asker: Asker,
        frames: Sequence[Frame],
        clusters: NDArray[np.intp],
        horizon: int,
        action: ActionSpec,
        telling: Sequence[Dimension],
        say: Callable[[str], None],
    ) -> None:
        """
        Args:
            asker: asks the policy.
            frames: what it is asked about.
            clusters: (N,) the episode of each.
            horizon: how many actions of an answer count, at most.
            action: their meaning.
            telling: dimensions in which the expert does different things.
            say: tells the user what is being done.
        """
        self._asker, self._frames, self._clusters = asker, frames, clusters
        self._horizon, self._action, self._say = horizon, action, say
        self._telling = tuple(telling)
        self._given: dict[tuple[str, ...], Answers] = {}
        self._observations = [frame.observation for frame in frames]
        judged = tuple(d for d in telling if d.kind != ROTATION) or self._telling
        self._judged, self._columns = judged, [d.column for d in judged]

    def lengths(self, answers: Answers) -> list[int]:
        """How many actions of each answer are compared."""
        pairs = zip(answers.usable(), self._frames, strict=True)
        return [min(self._horizon, len(chunk), len(frame.actions)) for chunk, frame in pairs]

    def amounts(self, answers: Answers) -> tuple[Rows, Rows]:
        """(N, D) what complete answers amount to, and what the expert's next actions do, over the same lengths."""
        lengths = self.lengths(answers)
        theirs = amounts([frame.actions for frame in self._frames], self._observations, lengths, self._action)
        return amounts(answers.usable(), self._observations, lengths, self._action), theirs

    def noise(self, plain: Answers, other: Answers) -> float:
        """How far complete answers with other random numbers are from the plain ones, as `Comparison.change`."""
        if not other.complete:
            return 0.0
        return self._change(self.amounts(plain)[0], self.amounts(other)[0])

    def search(self, plain: Answers, inputs: Sequence[Alteration], ways: Sequence[Reading]) -> Search:
        """Try everything, put right what is clearly wrong, and try again.

        Args:
            plain: answers to the frames as they are.
            inputs: alterations to try.
            ways: readings to try.
        """
        answers, expert = self.amounts(plain)
        found = Search(judged=self._judged, hypotheses=sum(bool(a.remedy) for a in inputs) + len(ways))
        found.plain = self._agreement(answers, expert)
        undone: list[Alteration] = []
        read: list[Reading] = []
        for turn in range(_ROUNDS + 1):
            tried = self._inputs(answers, expert, inputs, undone, read, found)
            compared = [comparison for comparison, _ in tried] + self._readings(answers, expert, ways, read, found)
            clear = [comparison for comparison in compared if comparison.clear]
            found.rest = compared
            if not clear or turn == _ROUNDS:
                break
            # That something is wrong is clear; what it is, is what explains most, be it clear by itself or not.
            better = [c for c in compared if c.clear or c.likely]
            best = max(better, key=lambda c: self._total(c, answers, expert, tried))
            found.faults.append(best)
            found.rivals.append(self._rivals(best, better, answers, expert, tried))
            if isinstance(best.hypothesis, Reading):
                read.append(best.hypothesis)
                answers = best.hypothesis.of(answers)
            else:
                undone.append(best.hypothesis)
                answers = next(rows for comparison, rows in tried if comparison is best)
        found.answers, found.expert = answers, expert
        found.agreement = self._agreement(answers, expert)
        return found

    def _inputs(
        self,
        answers: Rows,
        expert: Rows,
        inputs: Sequence[Alteration],
        undone: Sequence[Alteration],
        read: Sequence[Reading],
        found: Search,
    ) -> list[tuple[Comparison, Rows]]:
        rows = []
        for number, alteration in enumerate(inputs):
            if alteration in undone:
                continue
            given = self._ask([alteration, *undone], f"{number + 1}/{len(inputs)}")
            if not given.complete:
                nothing = Estimate(0.0, float("inf"), 0)
                rows.append((Comparison(alteration, 0.0, 0.0, nothing, False, error=given.error), answers))
                continue
            other, _ = self.amounts(given)
            for reading in read:
                other = reading.of(other)
            # An expert's grasps are not everybody's: its turns of the hand are no yardstick for images.
            columns = [d.column for d in self._telling] if alteration.group == STATE else self._columns
            comparison = self._compare(alteration, answers, other, expert, columns, _GAIN_OF_INPUT, found)
            rows.append((replace(comparison, change=self._change(answers, other)), other))
        return rows

    def _ask(self, changes: Sequence[Alteration], number: str) -> Answers:
        """Answers to observations with these changes, asked for once: another reading needs no other question."""
        names = tuple(alteration.name for alteration in changes)
        if names not in self._given:
            self._say(f"altered observations {number}: {', '.join(names)}")
            self._given[names] = self._asker.ask(_chain(changes))
        return self._given[names]

    def _readings(
        self, answers: Rows, expert: Rows, ways: Sequence[Reading], read: Sequence[Reading], found: Search
    ) -> list[Comparison]:
        return [
            self._compare(reading, answers, reading.of(answers), expert, reading.columns, _GAIN_OF_READING, found)
            for reading in ways
            if reading not in read
        ]

    def _compare(
        self,
        hypothesis: Alteration | Reading,
        answers: Rows,
        other: Rows,
        expert: Rows,
        columns: Sequence[int],
        least: float,
        found: Search,
    ) -> Comparison:
        def gain(which: NDArray[np.intp]) -> float:
            there = expert[which]
            return agreement(other[which], there, columns) - agreement(answers[which], there, columns)

        gained = jackknife(gain, self._clusters)
        before, after = agreement(answers, expert, columns), agreement(other, expert, columns)
        sound = after >= ENOUGH / 2 and bool(hypothesis.remedy)
        # One false alarm or more among all hypotheses has that probability, as far as intervals can promise it.
        clear = sound and gained.value >= least and gained.lower(ALPHA / max(1, found.hypotheses)) > 0
        likely = sound and gained.value >= least / 3 and gained.lower(ALPHA) > 0
        return Comparison(hypothesis, before, after, gained, clear, likely)

    def _rivals(
        self,
        best: Comparison,
        clear: Sequence[Comparison],
        answers: Rows,
        expert: Rows,
        tried: Sequence[tuple[Comparison, Rows]],
    ) -> list[str]:
        top = self._total(best, answers, expert, tried)
        limit = top - 0.05
        return [c.hypothesis.name for c in clear if c is not best and self._total(c, answers, expert, tried) >= limit]

    def _total(
        self, comparison: Comparison, answers: Rows, expert: Rows, tried: Sequence[tuple[Comparison, Rows]]
    ) -> float:
        """Agreement over all telling dimensions with this hypothesis put right."""
        if isinstance(comparison.hypothesis, Reading):
            rows = comparison.hypothesis.of(answers)
        else:
            rows = next(rows for other, rows in tried if other is comparison)
        return agreement(rows, expert, [d.column for d in self._telling])

    def _change(self, answers: Rows, other: Rows) -> float:
        """How far answers move, in units of how far those to different frames are apart."""
        apart = _distance(answers, np.roll(answers, len(answers) // 2, axis=0), self._telling)
        return _distance(answers, other, self._telling) / apart if apart else 0.0

    def _agreement(self, answers: Rows, expert: Rows) -> Estimate:
        return jackknife(lambda which: agreement(answers[which], expert[which], self._columns), self._clusters)


def _chain(changes: Sequence[Alteration]) -> Callable[[Observation], Observation]:
    """One after the other, the first one first."""

    def change(seen: Observation) -> Observation:
        for alteration in changes:
            seen = alteration.change(seen)
        return seen

    return change


def _distance(one: Rows, two: Rows, telling: Sequence[Dimension]) -> float:
    """How far answers are from each other on average, each number in units of its spread."""
    columns = [d.column for d in telling]
    spread = one[:, columns].std(axis=0)
    moved = spread > 0
    if not moved.any():
        return 0.0
    return float(np.abs((one[:, columns] - two[:, columns])[:, moved] / spread[moved]).mean())
