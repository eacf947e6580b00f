"""Episodes that begin where a policy's training data began: success there is no success on something new.

A policy that knows says so in its spec: ``config["trained_on"]`` is suite → init states, as in ``0-19,25``. Reports
tell the two apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mmact_eval.results.metrics.built_in import solved
from mmact_eval.results.metrics.collecting import measured
from mmact_eval.results.metrics.kinds import Rate
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.types import EpisodeResult
from mmact_eval.wording import counted

SEEN, NEW = "rate_trained_on", "rate_not_trained_on"
"""Keys of metrics."""


def from_ranges(text: str) -> set[int]:
    """The numbers in such a text; what is no range in it is left out."""
    found: set[int] = set()
    for low, high in re.findall(r"(\d+)(?:-(\d+))?", text):
        found |= set(range(int(low), int(high or low) + 1))
    return found


def training_metrics(trained: Mapping[str, str], results: Sequence[EpisodeResult]) -> tuple[Metric, ...]:
    """The success rate apart for episodes that began where training data began, and for the others; none if no
    episode did.

    Args:
        trained: suite → init states that the policy was trained on; empty if it does not tell.
        results: the run's, errors included.
    """
    known = _init_states(trained)

    def seen(result: EpisodeResult) -> bool:
        return result.episode.init_state in known.get(result.episode.suite, ())

    if not any(seen(result) for result in results if result.outcome != "error"):
        return ()
    return (
        Metric(SEEN, "success, begun as training data", Rate(), lambda r: solved(r) if seen(r) else None,
               better="higher", compared=False),
        Metric(NEW, "success, begun otherwise", Rate(), lambda r: None if seen(r) else solved(r), better="higher",
               compared=False),
    )  # fmt: skip


def seen_in_training(trained: Mapping[str, str], results: Sequence[EpisodeResult]) -> Iterator[str]:
    """A sentence if episodes began from init states of the policy's training, or if it knows nothing of the suite.

    Args:
        trained: suite → init states that the policy was trained on; empty if it does not tell.
        results: the run's, errors included.
    """
    known = _init_states(trained)
    suites = {result.episode.suite for result in results}
    if known and suites and not suites & known.keys():
        yield f"The policy was trained on {', '.join(known)}, and on nothing of this suite."
    metrics = training_metrics(trained, results)
    if metrics:
        seen, new = measured(metrics, {"": results})[1].values()
        solved_new = round(new.value * new.n) if new.n else 0
        rest = f"of the {new.n} others it solved {solved_new}" if new.n else "there are no others"
        yield (
            f"The policy was trained on the init states of {counted(seen.n, 'episode')} and solved "
            f"{round(seen.value * seen.n)} of them; {rest}."
        )


def _init_states(trained: Mapping[str, str]) -> dict[str, set[int]]:
    return {suite: from_ranges(text) for suite, text in trained.items()}
