"""What an earlier merge made, when it is to be replaced by one of more: the parts have gone on since."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from mmact_eval.derived.together import listed
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.runs.files.lock import not_written
from mmact_eval.runs.reading import Run, read_run


def earlier_merge(folder: Path, held: ExitStack) -> Run:
    """What a merge made and nobody has gone on with; nobody writes it until `held` is over.

    Raises:
        UsageError: it is something else, which may not be replaced.
        RunFolderError: it cannot be read, or is being written.
    """
    if not (folder / "manifest.json").is_file():
        raise UsageError(f"{folder} holds something that is no run. Choose another folder with --out.")
    held.enter_context(not_written(folder))
    run = read_run(folder)
    if not run.sessions or run.sessions[-1].event != "merge":
        raise UsageError(
            f"{folder} was not made by `mmact-eval merge`, or its command has gone on with it since. --replace is for "
            "what was merged and nothing more; choose another folder with --out."
        )
    return run


def require_kept(before: Run, folder: Path) -> None:
    """Check that a new merge has all results of an earlier one.

    Raises:
        RunFolderError: it lacks some, or has others.
    """
    now = {result.episode: result.reproducible() for result in read_run(folder).results}
    completed = [result for result in before.results if result.outcome != "error"]
    lost = [one.episode.key for one in completed if now.get(one.episode) != one.reproducible()]
    if lost:
        raise RunFolderError(
            f"{before.folder} has results that these runs have not: {listed(lost)}. Name the runs that they came from, "
            "too, or choose another folder with --out."
        )
