"""An arm that was joined over suites by its name alone: what of it is not the same in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmact_eval.results.arms.names import leaves, short
from mmact_eval.results.comparable import PROTOCOL_PARTS
from mmact_eval.results.facts import RunFacts
from mmact_eval.runs.reading import Run

_OF_THE_SUITE = ("policy.cameras", "policy.state", "policy.chunk", "policy.config")
"""What a policy rightly takes from the environment that it acts in."""


def joining_notes(arm: str, runs: Sequence[Run]) -> Iterator[str]:
    """A sentence if a mean over these suites would be a mean of different things.

    Args:
        arm: its name.
        runs: its runs, one of each suite.
    """
    if len(runs) < 2:
        return
    found = [*_settings(runs), *_tasks(runs)]
    if found:
        yield f"{arm} is not the same in all suites, and its mean over them mixes what differs: {'; '.join(found)}."


def _settings(runs: Sequence[Run]) -> Iterator[str]:
    """``seed: 0 (toy), 3 (toy-hard)`` for each setting of policy and run that differs."""
    of = [dict(leaves({k: v for k, v in run.fingerprint.items() if k == "seed" or k not in PROTOCOL_PARTS}))
          for run in runs]  # fmt: skip
    for key in dict.fromkeys(key for one in of for key in one):
        if key.startswith(_OF_THE_SUITE):
            continue
        if len({repr(one.get(key)) for one in of}) > 1:
            values = (f"{short(one.get(key))} ({run.suite})" for one, run in zip(of, runs, strict=True))
            yield f"{key}: {', '.join(values)}"


def _tasks(runs: Sequence[Run]) -> Iterator[str]:
    """``1 of 2 tasks of toy`` where not all of a suite was asked for."""
    for run in runs:
        asked, there = len(RunFacts(run.manifest, run.sessions).tasks), run.manifest.tasks_in_suite
        if there is not None and asked < there:
            yield f"only {asked} of the {there} tasks of {run.suite} were asked for"
