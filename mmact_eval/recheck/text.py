"""A recheck in words: a line for each episode, what differs between then and now, and what that means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmact_eval.recheck.recheck import Pair, Recheck
from mmact_eval.results.terminal_table import short_task
from mmact_eval.statistics.level import interval_name
from mmact_eval.statistics.rates import clopper_pearson
from mmact_eval.wording import counted

_HEADER = ("task", "init", "seed", "then", "now", "")


def told(recheck: Recheck) -> str:
    """Everything a person needs."""
    parts = [*_table(recheck.pairs), "", _counts(recheck)]
    if recheck.differs.lines:
        parts += ["", "Differs (then → now):", *(f"  {line}" for line in recheck.differs.lines)]
    else:
        parts.append("Nothing that is recorded differs between then and now: versions, processor, renderer, protocol.")
    return "\n".join([*parts, "", *meaning(recheck)])


def _table(pairs: Sequence[Pair]) -> Iterable[str]:
    rows = [_HEADER, *map(_cells, pairs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(pair: Pair) -> tuple[str, ...]:
    episode = pair.then.episode
    now = pair.now.outcome if pair.now else "–"
    kind = "error" if pair.verdict == "error now" else "differs"
    verdict = f"{pair.verdict} ({kind}: {pair.detail})" if pair.detail else pair.verdict
    return (short_task(episode.task), str(episode.init_state), str(episode.seed), pair.then.outcome, now, verdict)


def _counts(recheck: Recheck) -> str:
    n, bits, outcomes = len(recheck.pairs), recheck.count("equal to the bit"), recheck.count("equal in outcome")
    different, errors = recheck.count("different"), recheck.count("error now")
    told = f"Of {counted(n, 'episode')} {bits} are equal to the bit, {outcomes} in outcome, {different} are different"
    told += f", and {errors} came to no result here." if errors else "."
    compared = [pair for pair in recheck.pairs if pair.verdict != "error now"]
    if different:
        then = sum(pair.then.outcome == "success" for pair in compared)
        now = sum(pair.now is not None and pair.now.outcome == "success" for pair in compared)
        told += f" Solved: {then} of {len(compared)} then, {now} now."
    left_out = sum(result.outcome == "error" for result in recheck.run.results)
    if left_out:
        ended = ("episode of the run ended in an error", "episodes of the run ended in errors")
        told += f" {counted(left_out, *ended)} then, which is not compared."
    if compared and len(compared) < len(recheck.run.results) - left_out:
        low, high = clopper_pearson(different, len(compared))
        told += (
            f" Of all its episodes {100 * low:.1f} to {100 * high:.1f} % come out differently here ({interval_name()})."
        )
    return told


def meaning(recheck: Recheck) -> list[str]:
    """What the result says, a sentence or two a line."""
    errors = recheck.count("error now")
    lines = []
    if errors:
        say = counted(errors, "episode says", "episodes say")
        lines.append(f"{say} nothing yet: an error is neither equal nor different.")
    if recheck.count("equal to the bit") == len(recheck.pairs):
        extra = ", and what differs between then and now does not touch it" if recheck.differs.lines else ""
        whole = "The run" if len(recheck.pairs) >= len(recheck.run.results) else "The sample"
        lines.append(f"{whole} is reproduced here, bit for bit{extra}.")
    elif recheck.count("equal to the bit") + errors < len(recheck.pairs):
        lines.append(_cause(recheck))
    return lines


def _cause(recheck: Recheck) -> str:
    """Why results are not equal to the bit, as far as what is recorded tells."""
    differs = recheck.differs
    scenes = sum(pair.scene_differs for pair in recheck.pairs)
    where = f"{scenes} scenes differ from the start: " if scenes else ""
    if differs.simulation:
        return (
            f"{where}The simulation is another one (protocol or versions, see above), so that episodes of the same "
            "name are other rollouts. Install the versions of then to check the run itself."
        )
    if differs.policy:
        return f"{where}The policy, its settings or its code are other ones (see above): this checks another policy."
    if differs.machine:
        return (
            f"{where}The simulation and the policy are the same, the machine is another one: rounding and pictures "
            "may differ in their last bits, and a rollout makes that grow. Single outcomes may then differ, rates "
            "should not."
        )
    if not recheck.run.manifest.policy.deterministic:
        return f"{where}The policy is not deterministic, as its spec says: bits and single outcomes may differ."
    return (
        f"{where}Nothing that is recorded explains it. Either the policy is not deterministic, or its arithmetic "
        "depends on the size of its batch (--max-batch 1 tells, if the run was made so), or the harness has a fault: "
        "please report it."
    )
