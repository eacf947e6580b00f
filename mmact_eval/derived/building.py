"""A folder that is there as a whole or not at all, and the files that are brought into it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.machine.whole_file import to_disk
from mmact_eval.runs.files import holder
from mmact_eval.runs.files.lock import NAME as LOCK
from mmact_eval.runs.files.lock import RunLock
from mmact_eval.types import Episode, EpisodeResult


@contextmanager
def whole_folder(out: Path, replace: bool = False) -> Iterator[Path]:
    """A folder beside `out` that takes its name once the block ends, and goes if that raises.

    Args:
        out: a folder that is not there yet, or is empty.
        replace: whether it may hold something, in whose place the new one comes.

    Raises:
        UsageError: there is something in it.
        RunFolderError: it cannot be written, or another process is about to make it.
    """
    if not replace and holds_something(out):
        raise UsageError(f"{out} holds something already. Choose another folder with --out, or delete it.")
    half = out.with_name(f".{out.name}.part")
    try:
        half.mkdir(parents=True, exist_ok=True)
        lock = RunLock(half)
        try:
            _empty(half)  # of one that was killed
            yield half
            (half / holder.NAME).unlink(missing_ok=True)
            _put(half, out)
            (out / LOCK).unlink(missing_ok=True)  # which makes a folder look like a run's
            with contextlib.suppress(OSError):  # not every file system can bring a folder to the disk
                to_disk(out.parent)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
        finally:
            lock.release()
    except OSError as error:
        raise RunFolderError(f"cannot write {out}: {error.strerror or error}. Choose another with --out.") from error


def holds_something(out: Path) -> bool:
    """Whether there is a folder that is not empty, or anything else, of this name."""
    return out.exists() and (not out.is_dir() or any(out.iterdir()))


def _put(half: Path, out: Path) -> None:
    """Give a folder its name; what has that name now is deleted, once the new one is there."""
    if not holds_something(out):
        half.rename(out)
        return
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)  # of one that was killed
    out.rename(old)
    half.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _empty(half: Path) -> None:
    for path in half.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("run."):
            path.unlink()


def bring_artifacts(result: EpisodeResult, folders: Mapping[str, Path], out: Path) -> int:
    """Bring an episode's files, by hard links where the disk allows it: artifacts are replaced and never changed.

    Args:
        result: of the episode.
        folders: kind of artifact → the run folder that it is in.
        out: the run folder to be.

    Returns:
        How many files; none of what is gone already.

    Raises:
        OSError: one cannot be brought.
        RunFolderError: an artifact is said to lie outside of its run folder.
    """
    number = 0
    for kind, name in result.artifacts.items():
        if not name or kind.endswith("_error"):
            continue
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise RunFolderError(f"{folders[kind]}: the {kind} of {result.episode.key} lies outside of it ({name}).")
        file = folders[kind] / inside
        if file.is_file():
            for one in _that_go_together(file, result.episode):
                _bring(one, out / inside.with_name(one.name))
                number += 1
    return number


def _that_go_together(file: Path, episode: Episode) -> list[Path]:
    """An artifact, and what of the same episode lies beside it, as the pictures of a transcript do."""
    stem = episode.file_stem.name
    beside = [path for path in file.parent.iterdir() if path.name.startswith((f"{stem}-", f"{stem}."))]
    return sorted({file, *(path for path in beside if path.is_file())})


def _bring(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.exists():  # beside two artifacts
        return
    try:
        os.link(source.resolve(), to)
    except OSError:
        shutil.copy2(source, to)


def bring_logs(folders: Mapping[str, Path], out: Path) -> None:
    """Copy the logs of runs, which may still grow, each into a folder of its own.

    Args:
        folders: name → run folder.
        out: the run folder to be.

    Raises:
        OSError: they cannot be brought.
    """
    for name, folder in folders.items():
        if (folder / "logs").is_dir():
            shutil.copytree(folder / "logs", out / "logs" / name)
