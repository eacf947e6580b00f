"""What a run notes in ``sessions.jsonl`` while it goes on: its start, other renderers, files of the policy, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.machine import host
from mmact_eval.machine.renderers import Renderers
from mmact_eval.runs.files.session import Session
from mmact_eval.runs.folder import RunFolder


class SessionNotes:
    """Notes of one start of a run."""

    def __init__(
        self,
        store: RunFolder,
        made: MadePolicy,
        options: EngineOptions,
        scope: Mapping[str, Any],
        pending: int,
        earlier: Sequence[Session],
        one_renderer: bool,
    ) -> None:
        """
        Args:
            store: the run folder.
            made: the policy.
            options: the engine's.
            scope: what was asked for, as in the manifest.
            pending: how many episodes are left to do.
            earlier: starts whose results are kept.
            one_renderer: whether all images have to be drawn by one renderer.
        """
        self._store = store
        self._made = made
        self._options = options
        self._scope = scope
        self._pending = pending
        self._renderers = Renderers(store.path, [session.prepared for session in earlier], one_renderer)
        self._files: Mapping[str, Any] = {"read": {}, "wrote": {}}
        self._read_elsewhere: dict[str, str] = {}
        self._wrote_elsewhere: dict[str, list[str]] = {}
        self._started = False

    def worker_ready(self, prepared: Mapping[str, str]) -> bool:
        """Check that a worker draws as those before, and note once that the run goes on.

        Returns:
            Whether it is the first worker.

        Raises:
            RunFolderError: it draws otherwise, or the note cannot be written.
        """
        is_first, self._started = not self._started, True
        is_new = self._renderers.see(prepared)
        if is_first:
            self._start(prepared)
        elif is_new:
            self._store.add_session(event="renderer", prepared=dict(prepared))
        return is_first

    def _start(self, prepared: Mapping[str, str]) -> None:
        self._store.add_session(
            event="start",
            command=host.command_line(),
            pending=self._pending,
            **self._scope,
            options=asdict(self._options),
            machine=host.machine(),
            prepared=dict(prepared),
        )

    def files(self) -> None:
        """Note what the policy has read and written since it was made, before a result that may depend on it."""
        wrote = self._made.wrote()
        for part, names in self._wrote_elsewhere.items():
            wrote[part] = list(dict.fromkeys([*wrote.get(part, ()), *names]))
        found = {"read": self._read_elsewhere | self._made.read_since(), "wrote": wrote}
        if found != self._files:
            self._store.add_session(event="files", **found)
            self._files = found

    def hear_files(self, read: Mapping[str, str], wrote: Mapping[str, Sequence[str]]) -> None:
        """Keep for the next note what the policy has read and written where a replica of it acts."""
        self._read_elsewhere = {**read, **self._read_elsewhere}
        for part, names in wrote.items():
            self._wrote_elsewhere[part] = list(dict.fromkeys([*self._wrote_elsewhere.get(part, ()), *names]))

    def end(self, report: EngineReport) -> None:
        """Note what the engine has used.

        Raises:
            RunFolderError: it cannot be written (a full disk, say).
        """
        self._store.add_session(event="end", used=asdict(report))
