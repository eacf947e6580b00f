"""``episodes.jsonl``: a line for each finished episode, with the digest of the fingerprint that it was made under."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.rollout.stages import misfit
from mmact_eval.types import EpisodeResult

_DIGEST = "digest"


class OfAnotherRun(ValueError):
    """A line that was made under another fingerprint; it may have been copied from elsewhere."""


def to_line(result: EpisodeResult, digest: str) -> str:
    """A line with its end; `digest` is the fingerprint's, "" leaves it out."""
    return json.dumps(result.to_json() | ({_DIGEST: digest} if digest else {})) + "\n"


def from_line(line: str, digest: str) -> EpisodeResult:
    """Read what `to_line` wrote.

    Args:
        line: one without a digest is taken as the folder's.
        digest: of the folder's fingerprint; "" takes every line.

    Raises:
        OfAnotherRun: it says another digest.
        ValueError, KeyError, TypeError, AttributeError: it is no episode.
    """
    record = json.loads(line)
    result = EpisodeResult.from_json(record)
    made_under = record.get(_DIGEST, digest)
    if digest and made_under != digest:
        raise OfAnotherRun(f"made under the fingerprint {made_under}, the folder's is {digest}")
    return result


class NoEpisode(ValueError):
    """A line that is no episode; says why."""


def parse_episodes(
    lines: Iterable[str], digest: str, stages: int = 1
) -> Iterator[tuple[int, EpisodeResult | OfAnotherRun | NoEpisode]]:
    """The number of each line that is not empty, from 1, and its result or what is wrong with it.

    Args:
        lines: of the file.
        digest: see `from_line`.
        stages: how many the run's episodes have.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            result = from_line(line, digest)
            problem = misfit(result.stages, result.outcome, stages)
            yield number, NoEpisode(problem) if problem else result
        except OfAnotherRun as error:
            yield number, error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            yield number, NoEpisode(f"{type(error).__name__}: {error}")


def set_broken_tail_aside(file: Path) -> None:
    """A crash can cut the last line in half: move it to a file of its own, so that appending starts a new line.

    Raises:
        RunFolderError: that cannot be done.
    """
    try:
        content = file.read_bytes()
        end = content.rfind(b"\n") + 1
        if end == len(content):
            return
        with open(file.with_suffix(".damaged"), "ab") as stream:
            stream.write(content[end:] + b"\n")
        os.truncate(file, end)
    except OSError as error:
        raise RunFolderError(f"cannot repair {file}: {error.strerror}.") from error


class EpisodeLog:
    """The file while a run appends to it."""

    def __init__(self, file: Path) -> None:
        """Open it; it is made if it is not there.

        Raises:
            OSError: it cannot be written.
        """
        self.file = file
        # Unbuffered: a line that cannot be written must not wait in a buffer and appear later.
        self._stream = open(file, "ab", buffering=0)  # noqa: SIM115 (open for the run's life)
        self._size = self._stream.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def append(self, line: str) -> None:
        """Add a line and make sure that it is on the disk.

        Raises:
            RunAborted: it could not be written (a full disk, say); the lines before it are safe.
        """
        left = line.encode()
        whole = self._size + len(left)
        try:
            while left:
                left = left[self._stream.write(left) :]
            os.fsync(self._stream.fileno())
            self._size = whole
        except OSError as error:
            self._drop_last_line()
            raise RunAborted(
                f"cannot write {self.file}: {error.strerror}. The episodes before this one are safe; make room and "
                "give the same command again to resume."
            ) from error
        except BaseException:  # stopped by a signal in the middle: a line that is whole counts
            if os.fstat(self._stream.fileno()).st_size == whole:
                self._size = whole
            else:
                self._drop_last_line()
            raise

    def _drop_last_line(self) -> None:
        """Take away what was written since the last whole line."""
        with contextlib.suppress(OSError):
            self._stream.truncate(self._size)

    def trouble(self) -> str:
        """What somebody else did to the file since the last line, "" if nothing.

        A file that was deleted or replaced can still be written to, but nobody will find what is written.
        """
        try:
            there, ours = os.stat(self.file), os.fstat(self._stream.fileno())
        except FileNotFoundError:
            return "was deleted"
        except OSError as error:
            return f"cannot be reached any more ({error.strerror})"
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            return "was replaced by another file"
        if there.st_size != self._size:
            return f"was changed by somebody else (it has {there.st_size} bytes, this run wrote {self._size})"
        return ""
