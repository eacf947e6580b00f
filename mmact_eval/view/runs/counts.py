"""Counts the episodes of a run while its file grows: only what is new is read."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mmact_eval.runs.files.episode_log import NoEpisode, OfAnotherRun
from mmact_eval.view.runs.lines import Line, read_line

_AT_ONCE = 4 << 20
"""Bytes read before others have their turn."""

_ANCHOR = 96
"""Bytes before the place read up to, by which one sees that the file is still the same."""

_LONGEST_LINE = 64 << 20


@dataclass
class Tally:
    """What has been counted.

    Attributes:
        successes, failures, errors: episodes by what they are in the end.
        queries: of all of these.
        lengths: stages solved → completed episodes, where there are stages.
        unreadable: lines that are no episode.
        foreign: lines made under another fingerprint, and records of other suites.
        contradiction: whether two different results of an episode were found.
        last_error: message of the latest error.
    """

    successes: int = 0
    failures: int = 0
    errors: int = 0
    queries: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    unreadable: int = 0
    foreign: int = 0
    contradiction: bool = False
    last_error: str = ""

    @property
    def completed(self) -> int:
        """Successes and failures."""
        return self.successes + self.failures

    @property
    def episodes(self) -> int:
        """All that have a result."""
        return self.completed + self.errors

    def add(self, line: Line, sign: int = 1) -> None:
        """Count an episode, or with -1 take it back."""
        self.successes += sign * (line.outcome == "success")
        self.failures += sign * (line.outcome == "failure")
        self.errors += sign * (line.outcome == "error")
        self.queries += sign * line.queries
        if line.solved is not None and line.outcome != "error":
            self.lengths[line.solved] += sign
        if sign > 0 and line.error:
            self.last_error = line.error


class EpisodeCounts:
    """The counts of one file, which may grow, shrink, be replaced, come and go.

    Attributes:
        tally: of what was read.
        behind: whether there is more to read.
    """

    def __init__(self, file: Path, digest: str, stages: int, suite: str) -> None:
        """
        Args:
            file: ``episodes.jsonl``.
            digest, stages: of the run; see `mmact_eval.view.runs.lines.read_line`.
            suite: its name; records of others are left out. "" takes all.
        """
        self._file, self._digest, self._stages, self._suite = file, digest, stages, suite
        self._restart()
        self._known: tuple[int, int, int] | None = None
        self.behind = True

    def _restart(self) -> None:
        self.tally = Tally()
        self._lines: dict[int, Line] | None = {}
        self._offset = 0
        self._rest = b""
        self._anchor = b""
        self._inode: int | None = None

    def read_more(self) -> bool:
        """Read what is new, a few megabytes at most; `behind` says whether there is still more.

        Returns:
            Whether anything has changed.

        Raises:
            OSError: the file cannot be read, or is no file.
        """
        try:
            found = os.stat(self._file)
        except FileNotFoundError:
            was_there = self._known is not None
            self._restart()
            self._known, self.behind = None, False
            return was_there
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no file")
        now = (found.st_ino, found.st_size, found.st_mtime_ns)
        if now == self._known and not self.behind:
            return False
        with open(self._file, "rb") as stream:
            rewritten = found.st_size == self._offset and self._known is not None and now != self._known
            if rewritten or not self._goes_on(stream.fileno(), found) or self._lines is None:
                self._restart()
                self._inode = found.st_ino
            stream.seek(self._offset)
            new = stream.read(_AT_ONCE)
            while b"\n" not in new and len(new) >= _AT_ONCE and len(new) < _LONGEST_LINE:
                more = stream.read(_AT_ONCE)
                if not more:
                    break
                new += more
        whole = new[: new.rfind(b"\n") + 1]
        self._take(whole)
        self._offset += len(whole)
        self._rest = new[len(whole) :]
        self._anchor = (self._anchor + whole)[-_ANCHOR:]
        self.behind = bool(whole) and self._offset + len(new) - len(whole) < found.st_size
        self._known = now
        return True

    def settle(self) -> None:
        """Nobody writes now: a last line without its end counts for what it is, and what is only needed while the file
        grows is given back. If it grows again, all of it is read again."""
        if not self.behind and self._lines is not None:
            self._take(self._rest)
            self._lines = None

    def _goes_on(self, descriptor: int, found: os.stat_result) -> bool:
        """Whether the file is the one read so far, and perhaps more."""
        if found.st_ino != self._inode or found.st_size < self._offset:
            return False
        return os.pread(descriptor, len(self._anchor), self._offset - len(self._anchor)) == self._anchor

    def _take(self, content: bytes) -> None:
        assert self._lines is not None
        for line in content.decode("utf-8", errors="replace").split("\n"):
            found = read_line(line, self._digest, self._stages)
            if found is None:
                continue
            if isinstance(found, NoEpisode):
                self.tally.unreadable += 1
            elif isinstance(found, OfAnotherRun) or (self._suite and found.suite != self._suite):
                self.tally.foreign += 1
            else:
                before = self._lines.get(found.episode)
                if before is not None:
                    both = "error" not in (before.outcome, found.outcome)
                    self.tally.contradiction |= both and before.course != found.course
                    self.tally.add(before, -1)
                self.tally.add(found)
                self._lines[found.episode] = found._replace(error="")
