"""The parts of one run (``--shard``) together: which folders are parts of the same, and what is told of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmact_eval.runs.shard import is_part, number_planned
from mmact_eval.view.runs.figures import figures, total
from mmact_eval.view.runs.run_watch import RunWatch
from mmact_eval.view.runs.state import ACTIVE, State

_SAID = {
    "silent": ("gives no sign of life", "give no sign of life"),
    "damaged": ("is damaged and not counted", "are damaged and not counted"),
    "failed": ("has failed", "have failed"),
    "killed": ("was killed", "were killed"),
    "stopped": ("was stopped", "were stopped"),
    "incomplete": ("is incomplete", "are incomplete"),
    "": ("is not here", "are not here"),
}
"""State → what is said of one part and of several."""

_WORST_FIRST: Sequence[State] = ("failed", "killed", "damaged", "stopped", "incomplete")
_LISTED = 8
_MOST_PARTS = 10_000


@dataclass(frozen=True)
class Whole:
    """A run of which at least two parts are there.

    Attributes:
        place: the folder that they would be merged into if it were theirs: without ``shard-0-of-3``; or the one that
            all of them lie in.
        name: of the parts, if they lie in `place` under names of their own; "" if it is the whole's.
        digest: of their fingerprint.
        count: how many parts the run has.
        parts: identities of those that are there, by their number.
    """

    place: Path
    name: str
    digest: str
    count: int
    parts: Mapping[int, str]


def wholes(runs: Mapping[str, RunWatch]) -> list[Whole]:
    """The runs of which several parts are there: of one fingerprint and number of parts, in sibling folders.

    Args:
        runs: by identity.
    """
    groups: dict[tuple[Path, str, int], list[tuple[int, str]]] = {}
    for identity, run in runs.items():
        shard = run.shard
        if shard is not None:
            key = (_place(run.folder), run.digest, shard.count)
            groups.setdefault(key, []).append((shard.index, identity))
    return [
        Whole(place, _name([runs[identity].folder for _, identity in sorted(found)]), digest, count, dict(found))
        for (place, digest, count), found in groups.items()
        if 1 < len(found) == len(dict(found))  # of copies nobody knows which is meant
    ]


def _place(folder: Path) -> Path:
    """``x/arm`` for ``x/shard-0-of-3/arm``, and the folder that others lie in."""
    for parent in (folder, *folder.parents):
        if is_part(parent.name):
            return parent.parent / folder.relative_to(parent)
    return folder.parent


def _name(folders: Sequence[Path]) -> str:
    if any(is_part(part) for folder in folders for part in folder.parts):
        return ""
    more = len(folders) - _LISTED
    return " + ".join(folder.name for folder in folders[:_LISTED]) + (f" + {more} more" if more > 0 else "")


def told_together(whole: Whole, runs: Mapping[str, RunWatch], records: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What is told of a whole run, JSON-ready, as `RunWatch.record` tells it of one folder.

    Args:
        whole: the run.
        runs, records: of its parts, by identity; what could not be told of a part is not there.
    """
    of = {number: records[identity] for number, identity in sorted(whole.parts.items())}
    sound = [number for number, record in of.items() if record.get("state") != "damaged"]
    there, watches = [of[number] for number in sound], [runs[whole.parts[number]] for number in sound]
    working = [record for record in there if record.get("state") in ACTIVE]
    state, why = _state(whole, of)
    alike = len({str(watch.plan) for watch in watches}) <= 1
    if not alike:
        why = "; ".join(filter(None, ["its parts were asked for different episodes, and have no sum", why]))
        state = "incomplete" if state == "finished" else state  # which episodes a part has follows from the whole plan
    first = next(iter(there or of.values()))
    hosts = list(dict.fromkeys(record["host"] for record in there if record.get("host")))
    found: dict[str, Any] = {
        **{name: first.get(name, "") for name in ("suite", "title", "policy", "engine")},
        "state": state,
        "why": why,
        "count": whole.count,
        "here": len(of),
        "counting": any(record.get("counting") for record in there),
        "created": min((record["created"] for record in there if record.get("created")), default=""),
        "started": min((record["started"] for record in working or there if record.get("started")), default=""),
        "changed": max((record.get("changed", 0.0) for record in of.values()), default=0.0),
        "not_real": first.get("not_real", []),
        "host": ", ".join(hosts) if len(hosts) <= 3 else f"{len(hosts)} machines",
        "workers": sum(record.get("workers") or 0 for record in there) or None,
    }
    tally = total([watch.tally for watch in watches if watch.tally is not None])
    planned = _planned(whole, watches, there, alike)
    found["planned"] = planned and max(planned, tally.episodes)
    found |= {"done": tally.episodes, "errors": tally.errors, "queries": tally.queries, "error": tally.last_error}
    if alike and watches:
        found |= figures(tally, watches[0].stages)
    now = [record["now"] for record in there if record.get("now")]
    if now and state in ACTIVE:
        rest = sum(record.get("state") not in ("running", "finished") for record in of.values())
        found["now"] = _now(now, bool(rest) or len(of) < whole.count)
    return found


def _planned(whole: Whole, watches: Sequence[RunWatch], there: Sequence[dict[str, Any]], alike: bool) -> int | None:
    """Episodes of all parts, of those too that are not there; None if that is not known."""
    number = number_planned(watches[0].plan) if watches and alike else None
    if number:
        return number
    planned = [record.get("planned") for record in there]
    return None if None in planned or len(planned) < whole.count else sum(planned)  # type: ignore[arg-type]


def _now(now: Sequence[dict[str, Any]], only_some: bool) -> dict[str, Any]:
    """How fast the parts are that run; the whole is done when the last of them is."""

    def known(name: str) -> list[float]:
        return [one[name] for one in now if one.get(name) is not None]

    left = known("seconds_left")
    return {
        "episodes_an_hour": sum(known("episodes_an_hour")) if known("episodes_an_hour") else None,
        "queries_a_second": sum(known("queries_a_second")) if known("queries_a_second") else None,
        "seconds_left": max(left) if left and len(left) == len(now) else None,
        "only_some": only_some,
    }


def _state(whole: Whole, records: Mapping[int, dict[str, Any]]) -> tuple[State, str]:
    """How the whole is, and of which parts something is to be said."""
    states = {number: record.get("state", "damaged") for number, record in records.items()}
    found: State = "finished" if len(states) == whole.count else "incomplete"
    for state in (*ACTIVE, *_WORST_FIRST):
        if state in states.values():
            found = state
            break
    return found, "; ".join(_remarks(whole, states))


def _remarks(whole: Whole, states: Mapping[int, str]) -> Iterator[str]:
    missing = {number: "" for number in range(min(whole.count, _MOST_PARTS)) if number not in states}
    for state, (of_one, of_several) in _SAID.items():
        numbers = [number for number, one in {**states, **missing}.items() if one == state]
        if numbers:
            yield f"{_parts(numbers)} {of_one if len(numbers) == 1 else of_several}"


def _parts(numbers: Sequence[int]) -> str:
    """``part 1``, ``parts 1, 2``, ``20 parts``."""
    if len(numbers) > _LISTED:
        return f"{len(numbers)} parts"
    return f"part{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
