"""A line of ``episodes.jsonl``, as far as counting needs it: the same answer as a report's reader, sooner."""

from __future__ import annotations

import re
from typing import NamedTuple

from mmact_eval.runs.files.episode_log import NoEpisode, OfAnotherRun, parse_episodes
from mmact_eval.types import EpisodeResult

_PLAIN = r'[^"\\]*'
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_USUAL = re.compile(
    rf'\{{"suite": "({_PLAIN})", "task": "({_PLAIN})", "init_state": (\d+), "seed": (\d+), '
    rf'"outcome": "(success|failure)", "steps": (\d+), "queries": (\d+), "scene_hash": "({_PLAIN})", '
    rf'"final_hash": "({_PLAIN})", "error_kind": "", "error": "", "scene_remarks": \[[^][}}{{"\\]*\], '
    rf'"attempts": \d+, "seconds": {_NUMBER}, "env_seconds": {_NUMBER}, "wait_seconds": {_NUMBER}, '
    rf'"latencies": \[[-+\d., e]*\], '
    rf'"artifacts": \{{(?:"{_PLAIN}": "{_PLAIN}"(?:, "{_PLAIN}": "{_PLAIN}")*)?\}}, '
    rf'"executed": \[[\d, ]*\], "short_answers": \d+, "beyond_range": \d+, "farthest": {_NUMBER}'
    rf'(?:, "digest": "({_PLAIN})")?\}}\s*'
)
"""What `to_line` writes of an episode without an error, figures, stages and odd letters. All else is read slowly."""


class Line(NamedTuple):
    """An episode's result.

    Attributes:
        episode: a hash of its identity.
        suite: of it.
        outcome: success, failure or error.
        course: a hash of what happened; equal for equal rollouts.
        queries: how often the policy was asked.
        solved: stages solved, None where there are none.
        error: "" unless it is one.
    """

    episode: int
    suite: str
    outcome: str
    course: int
    queries: int
    solved: int | None = None
    error: str = ""


def read_line(line: str, digest: str, stages: int) -> Line | OfAnotherRun | NoEpisode | None:
    """What a line says, or what is wrong with it; None if there is nothing in it.

    Args:
        line: of the file.
        digest: of the run's fingerprint; "" takes every line.
        stages: how many the run's episodes have.
    """
    found = _USUAL.fullmatch(line) if stages == 1 else None
    if found is not None and (not digest or found[10] in (None, digest)):
        suite, task, init, seed, outcome, steps, queries, *hashes = found.groups()[:9]
        course = hash((outcome, int(steps), int(queries), *hashes, ()))
        return Line(hash((suite, task, int(init), int(seed))), suite, outcome, course, int(queries))
    for _, result in parse_episodes([line], digest, stages):
        return _line(result, stages) if isinstance(result, EpisodeResult) else result
    return None


def _line(result: EpisodeResult, stages: int) -> Line:
    episode = result.episode
    said = (result.outcome, result.steps, result.queries, result.scene_hash, result.final_hash, result.stages)
    return Line(
        hash((episode.suite, episode.task, episode.init_state, episode.seed)),
        episode.suite,
        result.outcome,
        hash(said),
        result.queries,
        result.stages_solved if stages > 1 else None,
        f"{result.error_kind}: {result.error}" if result.outcome == "error" else "",
    )
