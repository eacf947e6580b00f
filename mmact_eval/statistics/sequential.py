"""Stopping early without fooling oneself: a paired comparison that may be looked at after every episode.

A test that is repeated until it says what one hopes for will say it. An *e-process* may be watched all the time: it
is the wealth of somebody who bets against the hypothesis at fair odds, starting with 1, and if the hypothesis holds it
ever reaches 1/α with probability at most α (Ville's inequality). See Ramdas et al., "Game-theoretic statistics and
safe anytime-valid inference", Statistical Science 38, 2023, and Waudby-Smith & Ramdas, JRSS B 86, 2024, for betting on
bounded means.
"""

from __future__ import annotations

import math
from typing import Literal

from mmact_eval.statistics.level import ALPHA

Verdict = Literal["undecided", "better", "worse", "equivalent"]

_BETS = 24
_SMALLEST_BET = 0.02
_LARGEST_BET = 0.98


class BettingTest:
    """An e-process against "the mean of what comes, given what came, is at most `mean`", for values in {-1, 0, 1}.

    The wealth is split evenly over stakes from small to nearly all, so that small and large effects are both found
    without knowing them in advance. The average of fair games is a fair game.

    Attributes:
        log_wealth: natural logarithm of the present wealth.
    """

    def __init__(self, mean: float) -> None:
        """
        Args:
            mean: the hypothesis, -1 < mean < 1.

        Raises:
            ValueError: it is out of range.
        """
        if not -1.0 < mean < 1.0:
            raise ValueError(f"mean must be between -1 and 1, got {mean}")
        self._mean = mean
        ratio = (_LARGEST_BET / _SMALLEST_BET) ** (1.0 / (_BETS - 1))
        # A stake of 1/(1 + mean) would lose everything at the worst outcome, -1.
        self._stakes = [_SMALLEST_BET * ratio**i / (1.0 + mean) for i in range(_BETS)]
        self._logs = [-math.log(_BETS)] * _BETS
        self.log_wealth = 0.0

    def update(self, value: int) -> None:
        """Settle the bets on a value, -1, 0 or 1."""
        if value == 0 and self._mean == 0.0:
            return
        gain = value - self._mean
        self._logs = [log + math.log1p(stake * gain) for log, stake in zip(self._logs, self._stakes, strict=True)]
        top = max(self._logs)
        self.log_wealth = top + math.log(math.fsum(math.exp(log - top) for log in self._logs))


class SequentialComparison:
    """Compares arm B with arm A, episode by episode, and says when the matter is decided.

    Ask after each episode, as often as you like. If no episode favours an arm, a "better" or "worse" is ever said with
    probability at most `alpha`; if B truly trails (leads) A by the margin or more, "equivalent" is ever said with
    probability at most `alpha` / 2.

    Outcomes may arrive in any order (long episodes come late, and failures are long), so they are taken into account in
    the planned order: a pair waits until all before it are known. The verdict does then not depend on the number of
    workers. Where tasks differ, plan the episodes in shuffled order, or the first tasks decide for all.

    Attributes:
        verdict: ``undecided``; ``better``, ``worse``: B than A; ``equivalent``: they differ by less than the margin.
            Once decided it stays.
        pairs: how many pairs it rests on.
    """

    def __init__(self, alpha: float = ALPHA, margin: float | None = None) -> None:
        """
        Args:
            alpha: probability of a false "better" or "worse". With several arms against one, divide it by their number.
            margin: difference of success rates that is too small to matter, 0 to 1; None: never stop for equality.

        Raises:
            ValueError: an argument is out of range.
        """
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
        if margin is not None and not 0.0 < margin < 1.0:
            raise ValueError(f"margin must be between 0 and 1, got {margin}")
        self._threshold = math.log(2.0 / alpha)
        self._better, self._worse = BettingTest(0.0), BettingTest(0.0)
        self._margins = None if margin is None else (BettingTest(-margin), BettingTest(-margin))
        self._waiting: dict[int, tuple[bool | None, bool | None]] = {}
        self._next = 0
        self.verdict: Verdict = "undecided"
        self.pairs = 0

    @property
    def e_value(self) -> float:
        """Evidence against "no difference" so far, in the direction where it is stronger; 2/α decides."""
        return math.exp(min(max(self._better.log_wealth, self._worse.log_wealth), 700.0))

    def record(self, position: int, a: bool | None, b: bool | None) -> Verdict:
        """Tell the outcomes of the episode at a position of the plan.

        Args:
            position: 0, 1, 2, …, in the planned order.
            a, b: whether the arm solved it; None: it ended in an error, so the pair says nothing.

        Returns:
            The verdict now.

        Raises:
            ValueError: this position was told already.
        """
        if position < self._next or position in self._waiting:
            raise ValueError(f"the outcome of episode {position} was recorded already")
        self._waiting[position] = (a, b)
        while self._next in self._waiting:
            first, second = self._waiting.pop(self._next)
            self._next += 1
            if first is not None and second is not None and self.verdict == "undecided":
                self._settle(int(second) - int(first))
        return self.verdict

    def _settle(self, difference: int) -> None:
        self.pairs += 1
        self._better.update(difference)
        self._worse.update(-difference)
        if self._better.log_wealth >= self._threshold:
            self.verdict = "better"
        elif self._worse.log_wealth >= self._threshold:
            self.verdict = "worse"
        if self._margins is not None:
            above, below = self._margins
            above.update(difference)
            below.update(-difference)
            if self.verdict == "undecided" and min(above.log_wealth, below.log_wealth) >= self._threshold:
                self.verdict = "equivalent"
