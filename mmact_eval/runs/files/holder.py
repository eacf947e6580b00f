"""``run.holder``: a lock for file systems without locks, or with locks that other machines do not see.

It rests on one promise, which network file systems keep: of several who make the same name at once, one succeeds.
The file names its process, and its time is the process's heartbeat. A holder that is over is succeeded: who makes the
file ``run.holder-after-<its key>`` is the next, and there can be only one, as each holder's key is its own. The
successor then takes the first name and removes the second. So whoever has made a file still has to look whether it
can be reached from ``run.holder``, as everything may have gone on meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from mmact_eval.engine.limits.watching_thread import start_watching
from mmact_eval.runs.files.named_process import NamedProcess, named_process, this_process
from mmact_eval.wording import duration

log = logging.getLogger(__name__)

NAME = "run.holder"

BEAT = 10.0
"""Seconds between two heartbeats."""

STALE = 120.0
"""Seconds without one after which a holder is looked at more closely."""

WATCH = 2.5 * BEAT
"""Seconds in which a holder that looks stale must not be seen to live, so that no clock that jumps ends it."""

_TRIES = 100
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class Holder:
    """Who holds, or has held, a folder.

    Attributes:
        text: the file's content; its first line is for people.
        key: its own; "" of a file that an earlier version has written, which has no heartbeat.
        seen: its last heartbeat, by the file system's clock.
    """

    text: str
    key: str
    seen: float

    @property
    def name(self) -> str:
        """``process 12 on node7 since 2026-01-31T12:00:00+00:00``."""
        return self.text.partition("\n")[0].strip()

    @property
    def successor(self) -> str:
        """Name of the file of who comes after it."""
        key = self.key or hashlib.blake2b(self.text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return f"{NAME}-after-{key}"

    def told(self, name: str) -> str:
        """What it says of itself under this name, "" for nothing."""
        found = re.search(rf"^{name}: (.+)$", self.text, re.MULTILINE)
        return found[1] if found else ""


class InUse(Exception):
    """Somebody else holds the folder.

    Attributes:
        holder: who; None if that is not known yet.
        ago: seconds since it was seen; None if it does not let itself be seen.
    """

    def __init__(self, holder: Holder | None, ago: float | None = None) -> None:
        super().__init__("in use")
        self.holder, self.ago = holder, ago


class HolderFile:
    """A folder that is held, from the constructor to `release`.

    Attributes:
        succeeded: whom it came after, who had not released the folder; in words, "" for nobody.
    """

    def __init__(self, folder: Path) -> None:
        """Hold the folder, which exists.

        Raises:
            InUse: another process does.
            OSError: it cannot be written.
        """
        self._folder, self._file = folder, folder / NAME
        self._key = uuid.uuid4().hex
        self._over = threading.Event()
        self.succeeded = ""
        own = folder / f".{NAME}-{self._key}"
        try:
            own.write_text(_myself(self._key), encoding="utf-8")
            self._take(own)
        finally:
            own.unlink(missing_ok=True)
        start_watching(self._beat_again_and_again, "heartbeat")

    def is_ours(self) -> bool:
        """Whether it is held still: after a standstill somebody may have come after this process.

        Raises:
            OSError: that cannot be told.
        """
        holder = read(self._file)
        if holder is None:  # cleaned up with other files; whoever comes first has it
            with contextlib.suppress(FileExistsError):
                _make(self._file, _myself(self._key), None)
            holder = read(self._file)
        return holder is not None and holder.key == self._key and not (self._folder / holder.successor).exists()

    def release(self) -> None:
        """Let others in."""
        self._over.set()
        with contextlib.suppress(OSError):
            holder = read(self._file)
            if holder is not None and holder.key == self._key:
                self._file.unlink(missing_ok=True)

    def _take(self, own: Path) -> None:
        for _ in range(_TRIES):
            last = current(self._folder)
            if last is None:
                place = self._file
            elif _is_over(last, self._folder, own):
                place = self._folder / last.successor
            elif (current(self._folder) or last).key != last.key:
                continue  # somebody has come after it while it was watched
            else:
                raise InUse(last, _ago(last, own))
            try:
                _make(place, _myself(self._key), own)
            except FileExistsError:
                continue  # somebody else was first; who is it?
            if last is None:
                return
            if self._has_come_after(last, place):
                self.succeeded = f"{last.name or 'another process'}, which is over"
                return
            place.unlink(missing_ok=True)
        raise InUse(None)

    def _has_come_after(self, last: Holder, place: Path) -> bool:
        """Take the first name, unless what was succeeded is not there any more."""
        found = current(self._folder)
        if found is None or found.key != self._key:
            return False
        first = self._folder / f".{NAME}-first-{self._key}"
        first.write_text(_myself(self._key), encoding="utf-8")
        first.replace(self._file)
        place.unlink(missing_ok=True)
        return True

    def _beat_again_and_again(self) -> None:
        while not self._over.wait(BEAT):
            with contextlib.suppress(OSError):
                holder = read(self._file)
                if holder is not None and holder.key == self._key and not self._over.is_set():
                    os.utime(self._file)  # the time is the server's


def read(file: Path) -> Holder | None:
    """Who a file names; None if there is no file.

    Raises:
        OSError: it cannot be read.
    """
    for _ in range(_TRIES):
        try:
            with open(file, encoding="utf-8", errors="replace") as stream:  # opening it asks the server
                text, seen = stream.read(), os.fstat(stream.fileno()).st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ESTALE:  # replaced meanwhile
                continue
            raise
        return Holder(text, Holder(text, "", 0.0).told("key"), seen)
    return None


def current(folder: Path) -> Holder | None:
    """Who holds a folder, or has held it last and not released it; None for nobody.

    Raises:
        OSError: that cannot be read.
    """
    holder = read(folder / NAME)
    while holder is not None:
        after = read(folder / holder.successor)
        if after is None:
            break
        holder = after
    return holder


def require_free(folder: Path) -> None:
    """Check that nobody holds a folder, which need not be writable.

    Raises:
        InUse: somebody does.
        OSError: that cannot be read.
    """
    holder = current(folder)
    if holder is not None and not _is_over(holder, folder, None):
        raise InUse(holder, _ago(holder, None))


def _make(place: Path, text: str, own: Path | None) -> None:
    """Make a file that is not there, with its content, at once.

    Args:
        place: the file.
        text: its content.
        own: a file with this content that nobody else knows, None if there is none.

    Raises:
        FileExistsError: it is there.
    """
    if own is not None:
        try:
            os.link(own, place)
            return
        except FileExistsError:
            if own.stat().st_nlink == 2:  # it was made, and the answer was lost on its way
                return
            raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
    with open(place, "x", encoding="utf-8") as stream:
        stream.write(text)


def _myself(key: str) -> str:
    """The content of this process's file."""
    lines = [this_process(), *(f"{k}: {v}" for k, v in _here().items())]
    return "\n".join([*lines, f"began: {_began(os.getpid())}", f"key: {key}"]) + "\n"


def _here() -> dict[str, str]:
    """Where this process's number means something: this start of this kernel, this set of numbers."""
    return {"boot": _first_line("/proc/sys/kernel/random/boot_id"), "numbers": _target("/proc/self/ns/pid")}


def _is_over(holder: Holder, folder: Path, own: Path | None) -> bool:
    """Whether a holder is no more. Where nobody can know, it is not."""
    process = named_process(holder.name)
    here = all(holder.told(name) in ("", told) for name, told in _here().items())
    if process is not None and process.is_of_here and here:
        return not _runs(process, holder.told("began"))
    if not holder.key:
        return False
    ago = _ago(holder, own)
    if ago is not None and 0.0 <= ago <= STALE:
        return False
    log.warning("%s is held by %s, which looks dead: watching it for %g s", folder, holder.name, WATCH)
    return not _lives(holder, folder)


def _lives(holder: Holder, folder: Path) -> bool:
    """Whether a heartbeat is seen, or something else happens to it, in `WATCH` seconds."""
    until = time.monotonic() + WATCH
    while time.monotonic() < until:
        time.sleep(min(1.0, WATCH / 5))
        if current(folder) != holder:
            return True
    return False


def _ago(holder: Holder, own: Path | None) -> float | None:
    """Seconds since its last heartbeat, by the clock that has stamped it; None if it has none."""
    if not holder.key:
        return None
    now = time.time()
    if own is not None:
        with contextlib.suppress(OSError):
            os.utime(own)
            now = own.stat().st_mtime
    return now - holder.seen


def seen(ago: float | None) -> str:
    """``, last seen 14 s ago``; "" where nobody knows."""
    return "" if ago is None else f", last seen {duration(max(0.0, ago))} ago"


def _runs(process: NamedProcess, began: str) -> bool:
    """Whether a process of this machine runs, and is not another one of the same number."""
    return process.is_there() and began in ("", _began(process.number))


def _began(number: int) -> str:
    """When a process began, in the kernel's ticks; "" if that cannot be told."""
    after_name = _first_line(f"/proc/{number}/stat").rpartition(") ")[2].split(" ")
    return after_name[19] if len(after_name) > 19 else ""


def _first_line(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
