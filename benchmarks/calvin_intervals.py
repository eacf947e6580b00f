"""How many published steps of CALVIN's average length lie within their own uncertainty: the tables of
docs/calvin-intervals.md, computed from the package's published results alone.

    python benchmarks/calvin_intervals.py

The shares of 1 to 5 in a row tell how many chains had each length, hence the interval of each average. Differences are
those of independent samples, as it is not published which chains a model solved. It takes a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from mmact_eval.results.published.chains import chains_of, published_counts
from mmact_eval.results.published.rows import PublishedResult, load
from mmact_eval.statistics.lengths import average_length, difference_of_means

SPLITS = {"calvin-abc-d": "ABC→D", "calvin-abcd-d": "ABCD→D", "calvin-d-d": "D→D"}

CLASSES = ((0.0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, math.inf))
"""Of steps, in tasks of a chain: from, to below."""


@dataclass(frozen=True)
class Measurement:
    """A model as measured once, with all five shares published.

    Attributes:
        model, sources: what it is called first, and all that print these shares.
        own: the sources that are by its authors.
        counts: how many chains had the length 0 to 5.
        length: mean and interval that follow.
    """

    model: str
    sources: frozenset[str]
    own: frozenset[str]
    counts: tuple[int, ...]
    length: tuple[float, float, float]


@dataclass(frozen=True)
class Step:
    """From a measurement to a longer one, with its interval."""

    lower: Measurement
    upper: Measurement

    @property
    def interval(self) -> tuple[float, float, float]:
        """Difference, low, high."""
        return difference_of_means(self.lower.length, self.upper.length)

    @property
    def within(self) -> bool:
        """Whether it could as well be none."""
        return self.interval[1] <= 0.0


def measurements(rows: Sequence[Mapping[str, PublishedResult]]) -> list[Measurement]:
    """Those of a split, the longest first. Equal shares in several tables are one measurement that was copied."""
    groups: dict[tuple[int, ...], list[PublishedResult]] = {}
    for row in rows:
        counts = published_counts(row)
        if counts:
            groups.setdefault(tuple(counts), []).append(next(iter(row.values())))
    found = [
        Measurement(
            min(results, key=lambda result: result.kind != "primary").model,
            frozenset(map(printed_in, results)),
            frozenset(printed_in(result) for result in results if result.kind == "primary"),
            counts,
            average_length(counts),
        )
        for counts, results in groups.items()
    ]
    return sorted(found, key=lambda one: -one.length[0])


def printed_in(result: PublishedResult) -> str:
    """The table that it stands in: a source without what is told of a single row behind a semicolon."""
    return result.source.partition(";")[0]


def neighbours(of: Sequence[Measurement]) -> list[Step]:
    """Each step of the sorted list."""
    return [Step(lower, upper) for upper, lower in pairwise(of)]


def claimed(of: Sequence[Measurement]) -> list[Step]:
    """For each source that measured a model of its own: its best one against the best of others in the same table."""
    steps = []
    for source in sorted({source for one in of for source in one.own}):
        own = [one for one in of if source in one.own]
        others = [one for one in of if source in one.sources and source not in one.own]
        if others and own[0].length[0] > others[0].length[0]:
            steps.append(Step(others[0], own[0]))
    return steps


def by_size(steps: Sequence[Step]) -> Iterator[tuple[str, int, int, str]]:
    """For each class of sizes: its name, how many steps, how many within their uncertainty, half widths."""
    for start, end in CLASSES:
        inside = [step for step in steps if start <= round(step.interval[0], 9) < end]
        halves = [(step.interval[2] - step.interval[1]) / 2.0 for step in inside]
        name = f"{start:g} to {end:g}" if math.isfinite(end) else f"{start:g} and more"
        width = f"{min(halves):.2f} to {max(halves):.2f}" if halves else "–"
        yield name, len(inside), sum(step.within for step in inside), width


def table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def report() -> str:
    """All tables."""
    published = chains_of(load())
    of_splits = {title: measurements(published[suite]) for suite, title in SPLITS.items()}
    steps = {title: (neighbours(of), [Step(b, a) for a, b in combinations(of, 2)]) for title, of in of_splits.items()}
    together = tuple([step for of in steps.values() for step in of[i]] for i in (0, 1))
    blocks = [_sizes("All three splits", *together)]
    blocks += [_sizes(f"{title}: {len(of_splits[title])} measurements", *of) for title, of in steps.items()]
    lines = []
    for title, step in ((title, step) for title, of in of_splits.items() for step in claimed(of)):
        difference, low, high = step.interval
        names = (f"{one.model} {one.length[0]:.2f}" for one in (step.upper, step.lower))
        lines.append(
            (title, *names, f"{difference:+.2f}", f"{low:+.2f} to {high:+.2f}", "yes" if step.within else "no")
        )
    blocks.append("### A source's own best model against the best other one in its table")
    blocks.append(table(("split", "own", "other", "step", "95 % interval", "within"), lines).replace("-0.", "−0."))
    return "\n\n".join(blocks)


def _sizes(title: str, next_to: Sequence[Step], any_two: Sequence[Step]) -> str:
    lines = [
        (size, count, within, width, pairs, pairs_within)
        for (size, count, within, width), (_, pairs, pairs_within, _) in zip(
            by_size(next_to), by_size(any_two), strict=True
        )
    ]
    head = ("step", "between neighbours", "of these within", "half width of its interval", "between any two",
            "of these within")  # fmt: skip
    return f"### {title}\n\n{table(head, lines)}"


if __name__ == "__main__":
    print(report())
