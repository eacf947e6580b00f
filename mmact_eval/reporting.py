"""From a run folder to tables. Reports can be made again at any time: the folder is the product, they come from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
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
    manifest = read_manifest(folder)
    found, warnings = read_episodes(folder)
    suite = manifest["fingerprint"].get("suite", {}).get("name")
    results = [result for result in found.values() if suite in (None, result.episode.suite)]
    if len(results) < len(found):
        warnings.append(f"{len(found) - len(results)} records of other suites than {suite} were left out.")
    summary = summarize(results, manifest, read_sessions(folder))
    return replace(summary, warnings=(*summary.warnings, *warnings))


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
