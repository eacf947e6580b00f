"""Episodes that begin where a policy's training data began: success there is no success on something new.

A policy that knows says so in its spec: ``config["trained_on"]`` is suite → init states, as in ``0-19,25``. Reports
tell the two apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mmact_eval.types import EpisodeResult


def from_ranges(text: str) -> set[int]:
    """The numbers in such a text; what is no range in it is left out."""
    found: set[int] = set()
    for low, high in re.findall(r"(\d+)(?:-(\d+))?", text):
        found |= set(range(int(low), int(high or low) + 1))
    return found


def seen_in_training(trained: Mapping[str, str], results: Sequence[EpisodeResult]) -> Iterator[str]:
    """A sentence if episodes began from init states of the policy's training, or if it knows nothing of the suite.

    Args:
        trained: suite → init states that the policy was trained on; empty if it does not tell.
        results: the run's, errors included.
    """
    if not trained:
        return
    known = {suite: from_ranges(text) for suite, text in trained.items()}
    suites = {result.episode.suite for result in results}
    if suites and not suites & known.keys():
        yield f"The policy was trained on {', '.join(known)}, and on nothing of this suite."
    completed = [result for result in results if result.outcome != "error"]
    seen = [result for result in completed if result.episode.init_state in known.get(result.episode.suite, ())]
    if seen:
        solved = sum(result.outcome == "success" for result in seen)
        others = sum(result.outcome == "success" for result in completed) - solved
        new = len(completed) - len(seen)
        rest = f"of the {new} others it solved {others}" if new else "there are no others"
        yield (
            f"The policy was trained on the init states of {len(seen)} episodes and solved {solved} of them; {rest}."
        )
