"""What a policy's code has for itself in a process that has several policies: modules, import path, working folder.

Research code finds its neighbours by plain names (`from model import Net`), adds to `sys.path` and changes the working
folder. Two such policies in one process would get each other's `model.py`, and the engine's relative paths would lead
elsewhere. So each has a workspace. Path and working folder are changed back at each exit; its modules stay in place
until another workspace is entered, so that a process with one such policy is as usual.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import sys
from pathlib import Path
from types import ModuleType, TracebackType

from mmact_eval.identity.opened_files import OpenedFiles

_current: Workspace | None = None
"""Whose modules are in place."""

_entered: list[Workspace] = []
"""Workspaces whose code runs now: one that makes another policy, and that one's."""

_outer_path: list[str] = []
"""The import path outside of all workspaces, while one is entered."""


class Workspace:
    """Use as a context manager around every call of the policy's code.

    Attributes:
        folder: of the policy's file or package, to which the names of its files are relative; None before it is known.
        opened: what the code has opened.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.opened = OpenedFiles()
        self._working_folder = _working_folder()
        self._homes: list[str | None] = []
        self._path_first: list[str] = []
        self._path_last: list[str] = []
        self._modules: dict[str, ModuleType] = {}
        self._shared: set[str] = set()

    def __enter__(self) -> Workspace:
        if _entered:
            _entered[-1]._keep_path()
        else:
            _outer_path[:] = sys.path
        _switch_to(self)
        _entered.append(self)
        sys.path[:] = [*self._path_first, *_outer_path, *self._path_last]
        self._homes.append(_working_folder())
        _change_to(self._working_folder)
        self.opened.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.opened.__exit__(kind, value, tb)
        self._working_folder = _working_folder()
        _change_to(self._homes.pop())
        self._keep_path()
        _entered.pop()
        if _entered:
            before = _entered[-1]
            _switch_to(before)
            sys.path[:] = [*before._path_first, *_outer_path, *before._path_last]
        else:
            sys.path[:] = _outer_path

    @property
    def modules(self) -> dict[str, ModuleType]:
        """The modules that are this policy's alone: those that nobody else would find under their names."""
        if _current is self:
            self._collect()
        return self._modules

    def _keep_path(self) -> None:
        own = [entry for entry in sys.path if entry not in _outer_path]
        self._path_first = list(itertools.takewhile(own.__contains__, sys.path))
        self._path_last = own[len(self._path_first) :]

    def _put_in_place(self) -> None:
        self._shared = set(sys.modules)
        sys.modules.update(self._modules)
        importlib.invalidate_caches()

    def _put_away(self) -> None:
        self._collect()
        for name in self._modules:
            sys.modules.pop(name, None)

    def _collect(self) -> None:
        """Look through the modules that are new since this workspace was put in place."""
        new = {name: sys.modules[name] for name in sys.modules.keys() - self._shared - self._modules.keys()}
        path = list(sys.path)
        if _entered:
            sys.path[:] = _outer_path
        try:
            outside = {name for name in {name.partition(".")[0] for name in new} if _is_found(name)}
        finally:
            sys.path[:] = path
        others = {id(sys.modules[name]) for name in self._shared & sys.modules.keys()}
        for name, module in new.items():
            from_a_file = getattr(module, "__file__", None) or getattr(module, "__path__", None)
            # A second name of somebody else's module: `multiprocessing` calls the main script ``__mp_main__`` too.
            if name.partition(".")[0] in outside or not from_a_file or id(module) in others:
                self._shared.add(name)
            else:
                self._modules[name] = module


def append_to_path(folder: Path) -> None:
    """Let Python import what lies in a folder. Last in the path: it hides nothing that is installed."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def leave() -> None:
    """Put away what belongs to a policy, so that what is imported now belongs to nobody."""
    _switch_to(None)


def _switch_to(workspace: Workspace | None) -> None:
    global _current
    if _current is workspace:
        return
    if _current is not None:
        _current._put_away()
    if workspace is not None:
        workspace._put_in_place()
    _current = workspace


def _is_found(name: str) -> bool:
    """Whether this top-level module can be imported by the present path (`importlib.util` would say what is loaded)."""
    for finder in sys.meta_path:
        with contextlib.suppress(Exception):  # somebody else's finder
            if finder.find_spec(name, None) is not None:
                return True
    return False


def _working_folder() -> str | None:
    """None if it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _change_to(folder: str | None) -> None:
    if folder is not None and folder != _working_folder():
        with contextlib.suppress(OSError):  # it was deleted meanwhile
            os.chdir(folder)
