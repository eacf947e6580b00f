"""Names for the arms of a report, from what distinguishes their runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmact_eval.errors import UsageError
from mmact_eval.runs.reading import Run

_LONGEST_VALUE = 40


def split_name(argument: str) -> tuple[str, Path]:
    """``NAME=FOLDER`` as typed → (name, folder); a folder that exists is never taken apart, its name is ""."""
    name, equals, folder = argument.partition("=")
    if not equals or not name or not folder or Path(argument).exists():
        return "", Path(argument)
    return name, Path(folder)


def refuse_repeated(folders: Sequence[Path]) -> None:
    """Each run counts once.

    Raises:
        UsageError: a folder is named twice.
    """
    places = [folder.resolve() for folder in folders]
    for place in places:
        if places.count(place) > 1:
            raise UsageError(f"the run {place} is given twice.")


def arm_names(runs: Sequence[Run], given: Sequence[str]) -> list[str]:
    """A name for each run. Runs of different suites with the same name are the same arm.

    A run is named by its policy. Where that is not enough to tell two runs of a suite apart, by what else differs in
    their fingerprints (``expert replan=4``); where nothing does, by the file that the policy is in (``mine
    (b/mine.py:Mine)``), and at last by its folder.

    Args:
        runs: in the order of the report.
        given: for each the name the user gave it, or "".

    Raises:
        UsageError: two runs of a suite have the same name.
    """
    names = [name or _policy_name(run) for name, run in zip(given, runs, strict=True)]
    for add in (_differing_settings, _targets, _folders):
        for clash in _clashing(runs, names):
            # All runs of that name get longer ones, so that an arm is named alike in every suite.
            group = [i for i, name in enumerate(names) if name == clash and not given[i]]
            for i, extra in zip(group, add([runs[i] for i in group]), strict=True):
                names[i] = f"{names[i]} {extra}".strip()
    clashing = _clashing(runs, names)
    if clashing:
        raise UsageError(
            f'two runs of the same suite would both be called "{min(clashing)}": give names, as in new=FOLDER.'
        )
    return names


def _clashing(runs: Sequence[Run], names: Sequence[str]) -> set[str]:
    keys = [(run.suite, name) for run, name in zip(runs, names, strict=True)]
    return {name for suite, name in keys if keys.count((suite, name)) > 1}


def _policy_name(run: Run) -> str:
    return run.manifest.made_with.policy_name or run.folder.name


def _differing_settings(runs: Sequence[Run]) -> list[str]:
    """For each run the settings in which the runs differ, as ``key=value``; the suite itself does not count."""
    settings = [dict(leaves({k: v for k, v in run.fingerprint.items() if k != "suite"})) for run in runs]
    keys = list(dict.fromkeys(key for one in settings for key in one))
    suites = {run.suite for run in runs}

    def distinguishes(key: str) -> bool:  # within a suite: max_steps differs from suite to suite without meaning
        return any(
            len({repr(one.get(key)) for one, run in zip(settings, runs, strict=True) if run.suite == suite}) > 1
            for suite in suites
        )

    # `config` repeats what the arguments say, the physics what MuJoCo's version says, and an inferred value says less
    # than the setting it follows from.
    untold = ("policy.config.", "policy.code", "policy.paths.", "physics.engine", "physics.pictures")
    telling = [key for key in keys if distinguishes(key) and not key.startswith(untold)]
    said = [[f"{key.rpartition('.')[2]}={short(one.get(key))}" for key in telling] for one in settings]
    return [" ".join(dict.fromkeys(texts)) for texts in said]  # an argument is often a field of the spec too


def _targets(runs: Sequence[Run]) -> list[str]:
    """For each run what its policy was asked for as, if they do not all say the same."""
    targets = [run.manifest.policy.target for run in runs]
    return _tails(targets) if len(set(targets)) > 1 else [""] * len(runs)


def _folders(runs: Sequence[Run]) -> list[str]:
    return _tails([str(run.folder.resolve()) for run in runs])


def _tails(paths: Sequence[str]) -> list[str]:
    """``(a/mine)`` and ``(b/mine)`` for ``/x/a/mine`` and ``/x/b/mine``: the last parts, as many as tell them apart."""
    parts = [path.split("/") for path in paths]
    count = next((n for n in range(1, max(map(len, parts))) if _tell_apart(paths, parts, n)), max(map(len, parts)))
    return [f"({'/'.join(of[-count:])})" for of in parts]


def _tell_apart(paths: Sequence[str], parts: Sequence[Sequence[str]], count: int) -> bool:
    return len({tuple(of[-count:]) for of in parts}) == len(set(paths))


def leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``("policy.name", "expert")`` for everything in nested data that is no map."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def short(value: Any) -> str:
    """A setting's value in a few letters."""
    text = "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
