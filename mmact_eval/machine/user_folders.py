"""Folders of the person who runs this: where caches go, and what ``~`` means.

Containers and clusters have users without a home, or whose home cannot be written to. Every cache of the package is
looked for here, and every path that a person types is expanded here.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from mmact_eval.errors import UsageError

CACHE_VARIABLE = "MMACT_EVAL_CACHE"
_STAND_IN_HOME = "nobodys-home"


def cache_folder() -> Path:
    """The folder for what can be made again; it may not exist yet.

    What ``MMACT_EVAL_CACHE`` names, else ``mmact-eval`` in ``XDG_CACHE_HOME`` or in ``~/.cache``, whichever can be
    written to; else a folder of this user's in the temporary folder (`is_temporary`).

    Raises:
        UsageError: none of them can be used.
    """
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return expanded(own).absolute()
    for base in _usual_caches():
        if _can_be_made(base / "mmact-eval"):
            return base / "mmact-eval"
    return _temporary_folder()


def is_temporary(folder: Path) -> bool:
    """Whether this cache folder is the one in the temporary folder, which a machine may empty."""
    return folder.name == _own_name()


def for_writing(folder: Path, variable: str = CACHE_VARIABLE) -> Path:
    """A folder in a cache, made if it is not there and tried.

    Args:
        folder: which.
        variable: what names another one.

    Raises:
        UsageError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UsageError(
            f"cannot write to the cache folder {folder} ({error.strerror})",
            f"set {variable} to a folder that can be written to",
        ) from error


def expanded(path: str | Path) -> Path:
    """A path with ``~`` as the user's home.

    Raises:
        UsageError: it begins with ``~`` and nobody knows where that is.
    """
    path = Path(path)
    if not path.parts or not path.parts[0].startswith("~"):
        return path
    try:
        if path.parts[0] == "~" and Path(os.environ.get("HOME", "")).name == _STAND_IN_HOME:
            raise RuntimeError("the stand-in is nobody's home")
        return path.expanduser()
    except RuntimeError:
        raise UsageError(
            f'"{path}": there is no home folder for {path.parts[0]} here (for ~, HOME says where it is); '
            "give the path in full"
        ) from None


def ensure_home() -> None:
    """Let libraries find a home folder: some raise at import where `Path.home` does, and some make a folder "~".

    Where HOME is not set and the user's number has no entry among the machine's users, HOME becomes a folder in the
    cache, for this process and its children. `expanded` still knows that it is nobody's.

    Raises:
        UsageError: there is no home, and no cache can be written to.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(for_writing(cache_folder() / _STAND_IN_HOME))


def _usual_caches() -> list[Path]:
    named = os.environ.get("XDG_CACHE_HOME")
    bases = [expanded(named).absolute()] if named else []
    try:
        return [*bases, expanded("~") / ".cache"]
    except UsageError:
        return bases


def _can_be_made(folder: Path) -> bool:
    """Whether it is there and can be written to, or what it would be made in can. Makes nothing."""
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _own_name() -> str:
    """What this user's folder in the temporary folder is called."""
    return f"mmact-eval-{os.getuid()}"


def _temporary_folder() -> Path:
    """This user's own folder in the temporary folder, made if it is not there.

    Raises:
        UsageError: it cannot be made, or somebody else could write to it: on a shared machine anybody may take a name
            in the temporary folder, and what is read from a cache is trusted.
    """
    advice = f"set {CACHE_VARIABLE} to a folder that can be written to"
    try:
        folder = Path(tempfile.gettempdir()) / _own_name()
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UsageError(f"nothing can be kept in a cache nor in the temporary folder ({error})", advice) from None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    if not ours or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder} is not a folder that only this user can write to", f"{advice}, or remove it")
    return folder
