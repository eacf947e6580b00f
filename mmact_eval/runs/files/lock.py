"""Keeps a second run out of a run folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.machine.file_systems import may_be_shared
from mmact_eval.runs.files import holder
from mmact_eval.runs.files.holder import Holder, HolderFile, InUse
from mmact_eval.runs.files.named_process import named_process, this_process

NAME = "run.lock"

_IN_USE = (errno.EWOULDBLOCK, errno.EAGAIN)


class RunLock:
    """A lock on a folder, held from the constructor to `release`.

    It is the kernel's lock on ``run.lock``, which ends with the process. Some network file systems have none, and some
    grant it on each machine: there ``run.holder`` is the lock, alone or besides (see `mmact_eval.runs.files.holder`).
    Both files say who holds it.

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
        self._holder: HolderFile | None = None
        self.warning = ""
        self._is_new = not (folder / NAME).exists()
        self._file = open(folder / NAME, "a+", encoding="utf-8")  # noqa: SIM115 (held open: it is the lock)
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
            self._holder.release()
        if without_trace and self._is_new:
            with contextlib.suppress(OSError):
                (self._folder / NAME).unlink(missing_ok=True)
        self._file.close()

    def require(self) -> None:
        """Check that the folder is still this process's, before something is written into it.

        Raises:
            RunAborted: it stood still for so long (stopped, asleep, off the network) that another has taken it over.
        """
        if self._holder is None:
            return
        try:
            is_ours = self._holder.is_ours()
        except OSError as error:
            raise RunAborted(
                f"cannot tell whether {self._folder} is still this run's: {error.strerror}. The episodes before this "
                "one are safe; give the same command again to resume."
            ) from error
        if not is_ours:
            raise RunAborted(
                f"{self._folder} has been taken over by {_name(holder.current(self._folder))} while this process "
                "stood still. The episodes before this one are safe, and the others are that run's."
            )

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _IN_USE:
                self._file.seek(0)
                raise _in_use(self._folder, _writer(self._file.read().strip())) from error
            self._hold()
            self.warning = (
                f"the file system of {self._folder} has no locks ({error.strerror}); {self._folder / holder.NAME} "
                "keeps other runs out instead"
            )
        else:
            if not self._is_in_place():  # whoever held it has deleted it since it was opened here
                raise _in_use(self._folder, "another process that is just ending")
            if may_be_shared(self._folder):
                self._hold()
        if self._holder is not None and self._holder.succeeded:
            taken = f"{self._folder} was taken over from {self._holder.succeeded}"
            self.warning = f"{self.warning}; {taken}" if self.warning else taken
        self._file.seek(0)
        self._file.truncate()
        self._file.write(this_process())
        self._file.flush()

    def _hold(self) -> None:
        try:
            self._holder = HolderFile(self._folder)
        except InUse as error:
            raise _in_use(self._folder, *_who(self._folder, error)) from error

    def _is_in_place(self) -> bool:
        try:
            there, ours = os.stat(self._folder / NAME), os.fstat(self._file.fileno())
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _writer(text: str) -> str:
    """Who has locked a folder, by what its lock file says: who reads one (`not_written`) leaves no name there."""
    process = named_process(text)
    is_over = process is not None and process.is_of_here and not process.is_there()
    return "a program that reads it, such as mmact-eval merge" if is_over else text


class BeingWritten(RunFolderError):
    """A folder is to be read as it is, and somebody writes it.

    Attributes:
        told: which and by whom.
    """

    def __init__(self, folder: Path, holder: str, if_over: str = "") -> None:
        self.told = f"{folder} is in use by {holder or 'another process'}.{if_over}"
        super().__init__(
            f"{self.told} Wait until that run is over, or stop it (its command resumes it), and try again."
        )


@contextmanager
def not_written(folder: Path) -> Iterator[None]:
    """Keep writers out of a folder that is read, which need not be writable, and leave nothing in it.

    Raises:
        BeingWritten: somebody writes it.
        OSError: that cannot be told.
    """
    with ExitStack() as held:
        try:
            file = held.enter_context(open(folder / NAME, encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            pass  # nobody has ever written it, or it is a copy
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _IN_USE:
                    raise BeingWritten(folder, file.read().strip()) from error
        try:
            holder.require_free(folder)
        except InUse as error:
            raise BeingWritten(folder, *_who(folder, error)) from error
        yield


def _who(folder: Path, found: InUse) -> tuple[str, str]:
    """What a holder's file tells of who has a folder, and what can be done if that is over."""
    if found.holder is None:
        return "", ""
    wait = f"wait {holder.STALE / 60:.0f} minutes, or " if found.holder.key else ""
    advice = f" If it is over, {wait}delete {folder / holder.NAME}."
    return f"{_name(found.holder)}{holder.seen(found.ago)}", advice


def _name(found: Holder | None) -> str:
    return (found.name if found else "") or "another process"


def _in_use(folder: Path, holder: str, advice: str = "") -> RunFolderError:
    return RunFolderError(
        f"{folder} is in use by {holder or 'another process'}. Wait for it, stop it, or choose another folder with "
        f"--out.{advice}"
    )
