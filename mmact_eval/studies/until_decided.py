"""Stopping an arm as soon as it is clear that it differs from the baseline.

Anytime-valid (`mmact_eval.statistics.sequential`): with the level split evenly over the study's arms, the probability
that *any* arm that does not differ from the baseline is ever called better or worse is at most `ALPHA`, however often
one looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmact_eval.engine.scheduler import in_turns
from mmact_eval.statistics.level import ALPHA
from mmact_eval.statistics.sequential import SequentialComparison, Verdict
from mmact_eval.types import Episode, EpisodeResult

TURN = 5
"""Episodes of a task after which the next task has its turn, so that the first tasks do not decide for all."""


class ArmWatch:
    """Follows one arm's episodes beside the baseline's, which are complete.

    Episodes count in an order fixed beforehand (the plan, in turns), not as they finish: failures take longest, so an
    arm's first results are its best. The verdict therefore does not depend on workers or interruptions.
    """

    def __init__(self, baseline: Sequence[EpisodeResult], planned: Sequence[Episode], arms: int) -> None:
        """
        Args:
            baseline: results of the baseline.
            planned: the episodes of the study, in planned order.
            arms: how many arms of the study are compared with the baseline.
        """
        self._baseline = {result.episode: _solved(result) for result in baseline}
        order = [episode for turn in in_turns(planned, TURN) for episode in turn]
        self._position = {episode: position for position, episode in enumerate(order)}
        self._comparison = SequentialComparison(alpha=ALPHA / max(1, arms))
        self._seen: set[Episode] = set()

    @property
    def verdict(self) -> Verdict:
        """What can be said now."""
        return self._comparison.verdict

    @property
    def pairs(self) -> int:
        """How many pairs the verdict rests on."""
        return self._comparison.pairs

    def tell(self, result: EpisodeResult) -> bool:
        """Count a result of the arm, once; an error says nothing. Returns whether the matter is decided."""
        episode = result.episode
        if episode in self._position and episode not in self._seen:
            self._seen.add(episode)
            position = self._position[episode]
            self._comparison.record(position, self._baseline.get(episode), _solved(result))
        return self.verdict != "undecided"


def _solved(result: EpisodeResult) -> bool | None:
    return None if result.outcome == "error" else result.outcome == "success"
