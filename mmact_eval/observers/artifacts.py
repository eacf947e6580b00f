"""The one door through which what observers make (videos, transcripts, demonstrations) leaves a worker.

An observer asks for a place by the artifact's name within the run folder and writes there. Whether that is the run
folder, on a disk that the worker shares with the engine, or a folder of the worker's whose content travels to the
engine with the episode's result, is the engine's business.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol

from mmact_eval.machine.whole_file import to_disk
from mmact_eval.protocols import Observer


class Artifacts(Protocol):
    """Where an episode's observers put what they make."""

    def place(self, name: str, replaces: str = "") -> AbstractContextManager[Path]:
        """Where to write a file or a folder; it is there as a whole once the block ends, or not at all if that raises.

        Args:
            name: relative to the run folder, with ``/`` between its parts; what has that name already goes.
            replaces: pattern (as `Path.glob` has them) of files beside it that go once it is there, of an earlier
                attempt say.

        Returns:
            A context with a path that ends in the name's last part, in a folder that exists. Nothing is there yet.

        Raises:
            OSError: it could not be written.
            ValueError: the name leads out of the run folder, or is one of the run's own; the pattern has a ``/``.
        """
        ...


ObserverFactory = Callable[[Artifacts], Observer]
"""Makes an observer for one episode, in the worker; has to be picklable."""


def watching_alone(make: Callable[[], Observer], artifacts: Artifacts) -> Observer:
    """An observer that makes no artifacts; with its first argument bound, this is an `ObserverFactory`."""
    return make()


class FolderArtifacts:
    """Artifacts that go to the run folder at once."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the run folder."""
        self._folder = folder

    @contextmanager
    def place(self, name: str, replaces: str = "") -> Iterator[Path]:
        """See `Artifacts.place`."""
        final = self._folder / _inside(name)
        if "/" in replaces:
            raise ValueError(f'what an artifact replaces is beside it: "{replaces}" is no pattern of names')
        final.parent.mkdir(parents=True, exist_ok=True)
        half = final.with_name(f".part-{final.name}")
        _remove(half)  # of a worker that was killed
        try:
            yield half
            if half.is_dir() or (half.exists() and final.is_dir()):
                _remove(final)
            half.replace(final)
            for earlier in final.parent.glob(replaces) if replaces else ():
                if earlier != final:
                    earlier.unlink()
        except BaseException:
            _remove(half)
            raise


@dataclass(frozen=True)
class Parcel:
    """The artifacts of an episode on their way from a worker to the engine. Plain data, to be pickled.

    Attributes:
        placed: name of each artifact → what it replaces, as `Artifacts.place` was told.
        files: path relative to the run folder → content, of all the files that make these up.
    """

    placed: Mapping[str, str]
    files: Mapping[str, bytes]

    def unpack(self, folder: Path) -> None:
        """Put all of it into the run folder and bring it to the disk, or none of it.

        Args:
            folder: the run folder.

        Raises:
            OSError: it could not be written.
            ValueError: a name leads out of the folder.
        """
        artifacts = FolderArtifacts(folder)
        try:
            with ExitStack() as places:  # nothing gets its name before everything is written
                for name, replaces in self.placed.items():
                    self._write(name, places.enter_context(artifacts.place(name, replaces)))
        except BaseException:
            for name in self.placed:
                with contextlib.suppress(OSError):
                    _remove(folder / _inside(name))
            raise

    def _write(self, name: str, path: Path) -> None:
        if name in self.files:
            path.write_bytes(self.files[name])
            to_disk(path)
            return
        path.mkdir()
        for file, content in self.files.items():
            if file.startswith(f"{name}/"):
                inner = path / _inside(file.removeprefix(f"{name}/"))
                inner.parent.mkdir(parents=True, exist_ok=True)
                inner.write_bytes(content)
                to_disk(inner)


class CarriedArtifacts:
    """Artifacts that stay in a temporary folder of the worker until they are packed up, within a `with` block."""

    def __init__(self) -> None:
        self._held = tempfile.TemporaryDirectory(prefix="mmact-eval-", ignore_cleanup_errors=True)
        self._folder = Path(self._held.name)
        self._artifacts = FolderArtifacts(self._folder)
        self._placed: dict[str, str] = {}

    def __enter__(self) -> CarriedArtifacts:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._held.cleanup()

    @contextmanager
    def place(self, name: str, replaces: str = "") -> Iterator[Path]:
        """See `Artifacts.place`."""
        with self._artifacts.place(name, replaces) as path:
            yield path
        self._placed[name] = replaces

    def packed(self) -> Parcel:
        """What has been placed so far.

        Raises:
            OSError: it cannot be read any more.
        """
        files = {}
        for name in self._placed:
            path = self._folder / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    files[file.relative_to(self._folder).as_posix()] = file.read_bytes()
        return Parcel(dict(self._placed), files)


_OF_THE_RUN = ("manifest.json", "episodes.jsonl", "sessions.jsonl", "run.lock", "run.holder")


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f'an artifact cannot be called "{name}": that is no path within the run folder')
    if path.parts[0] in _OF_THE_RUN:
        raise ValueError(f'an artifact cannot be called "{name}": that is a file of the run')
    return path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
