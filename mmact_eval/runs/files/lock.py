"""Keeps a second run out of a run folder."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import platform
import re
from pathlib import Path

from mmact_eval.errors import RunFolderError

_IN_USE = (errno.EWOULDBLOCK, errno.EAGAIN)


class RunLock:
    """A lock on a folder, held from the constructor to `release`.

    It is the kernel's lock on ``run.lock``, which ends with the process. Some network file systems have none; there the
    existence of ``run.holder`` is the lock. Both files say who holds it.

    Attributes:
        warning: what to know of the lock, "" if nothing.
    """

    def __init__(self, folder: Path) -> None:
        """Lock the folder, which exists.

        Raises:
            RunFolderError: another process holds it.
            OSError: the lock file cannot be written.
        """
        self._folder = folder
        self._holder: Path | None = None
        self.warning = ""
        self._is_new = not (folder / "run.lock").exists()
        self._file = open(folder / "run.lock", "a+", encoding="utf-8")  # noqa: SIM115 (held open: it is the lock)
        try:
            self._lock()
        except BaseException:
            self._file.close()
            raise

    def release(self, without_trace: bool = False) -> None:
        """Let others in.

        Args:
            without_trace: delete the lock file if it was not there before.
        """
        if self._holder is not None:
            self._holder.unlink(missing_ok=True)
        if without_trace and self._is_new:
            with contextlib.suppress(OSError):
                (self._folder / "run.lock").unlink(missing_ok=True)
        self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _IN_USE:
                self._file.seek(0)
                raise _in_use(self._folder, self._file.read().strip()) from error
            self._lock_by_existence()
            self.warning = (
                f"the file system of {self._folder} has no locks ({error.strerror}); {self._holder} keeps other runs "
                "out instead. If this run is killed on another machine than the next one runs on, delete that file"
            )
        else:
            if not self._is_in_place():  # whoever held it has deleted it since it was opened here
                raise _in_use(self._folder, "another process that is just ending")
        self._file.seek(0)
        self._file.truncate()
        self._file.write(_myself())
        self._file.flush()

    def _is_in_place(self) -> bool:
        try:
            there, ours = os.stat(self._folder / "run.lock"), os.fstat(self._file.fileno())
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _lock_by_existence(self) -> None:
        holder = self._folder / "run.holder"
        with contextlib.suppress(FileNotFoundError):
            text = holder.read_text(encoding="utf-8", errors="replace").strip()
            if not _is_over(text):
                raise _in_use(self._folder, text, f" If it is over, delete {holder}.")
            holder.unlink(missing_ok=True)
        try:
            with open(holder, "x", encoding="utf-8") as stream:
                stream.write(_myself())
        except FileExistsError as error:
            raise _in_use(self._folder, "another process that is just starting") from error
        self._holder = holder


def _myself() -> str:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {platform.node()} since {now}"


def _is_over(holder: str) -> bool:
    """Whether a holder was a process of this machine that has ended; of other machines nobody here knows."""
    found = re.match(r"process (\d+) on (\S+) ", holder)
    if found is None or found[2] != platform.node():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's process
    return False


def _in_use(folder: Path, holder: str, advice: str = "") -> RunFolderError:
    return RunFolderError(
        f"{folder} is in use by {holder or 'another process'}. Wait for it, stop it, or choose another folder with "
        f"--out.{advice}"
    )
