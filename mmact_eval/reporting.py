"""From a run folder to tables. Reports can be made again at any time: the folder is the product, they come from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmact_eval import registry
from mmact_eval.errors import RunFolderError
from mmact_eval.store import read_episodes, read_manifest, read_sessions
from mmact_eval.summary import Summary, summarize


def summarize_folder(folder: Path) -> Summary:
    """The summary of a run folder.

    Raises:
        RunFolderError: it is no run folder, or cannot be read.
    """
    results, _ = read_episodes(folder)
    return summarize(results.values(), read_manifest(folder), read_sessions(folder))


def write_reports(summary: Summary, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write a report in each format (see `mmact-eval list reports`) and return the files.

    Raises:
        UsageError: unknown format.
        RunFolderError: the folder cannot be written.
    """
    writers = [registry.report(name) for name in formats]
    files: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for write in writers:
            files += write(summary, folder)
    except OSError as error:
        raise RunFolderError(f"cannot write the report to {folder}: {error.strerror}.") from error
    return files
