"""What a run's records tell about its actions: how many of each answer were executed, and whether they made sense."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmact_eval.runs.manifest import ActionPart
from mmact_eval.types import EpisodeResult
from mmact_eval.wording import counted

_NOTABLE = 0.001
"""From which share on numbers far beyond the range are a warning."""


def executed_a_query(results: Sequence[EpisodeResult], asked: str) -> str:
    """How many actions were executed for a query: ``4``, or ``3.8 on average, 2 to 4``, with what was asked for if
    that is something else.

    The last query of an episode, which its end cuts short, counts only if there are no others.

    Args:
        results: of a run.
        asked: what the protocol says, returned if nothing was executed.
    """
    done = [n for result in results for n in result.executed[:-1]] or [n for r in results for n in r.executed]
    if not done:
        return asked
    least, most = min(done), max(done)
    happened = f"{most}" if least == most else f"{sum(done) / len(done):.1f} on average, {least} to {most}"
    return happened if happened == asked or not asked else f"{happened} (asked for: {asked})"


def action_warnings(results: Sequence[EpisodeResult], asked: str, action: ActionPart) -> Iterator[str]:
    """A sentence for answers that were too short, and one for numbers far beyond the range.

    Args:
        results: of a run.
        asked: how many actions the protocol wants executed for a query.
        action: what is known of the environment's actions.
    """
    short, queries = sum(r.short_answers for r in results), sum(len(r.executed) for r in results)
    if short:
        yield (
            f"{short} of {counted(queries, 'answer')} of the policy held fewer actions than were to be executed "
            f"({asked or 'as many as its spec promises'}), so it was asked more often. Make its chunks as long as its "
            "spec says, or set protocol.replan to their length."
        )
    numbers = sum(result.steps for result in results) * (action.dim or 0)
    beyond = sum(result.beyond_range for result in results)
    if numbers and beyond / numbers >= _NOTABLE:
        farthest = max((result.farthest for result in results), key=abs)
        yield (
            f"{100 * beyond / numbers:.3g} % of the numbers that were executed lie far beyond {action.low} to "
            f"{action.high}, the range of the environment's actions (the farthest: {farthest:g}): are they "
            "un-normalized, in the right unit and in the right order?"
        )
