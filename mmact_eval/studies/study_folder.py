"""The folder of a study: ``study.json``, a run folder for each arm, and the joint report.

A folder is bound to one study with one base run as soon as anything was completed in it; each arm is bound to its own
fingerprint besides. Arms may be added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.machine import host
from mmact_eval.machine.whole_file import write_whole
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.reading import read_episodes
from mmact_eval.studies.arms import Arm, Plan

_NAME = "study.json"


class StudyFolder:
    """The folder of a planned study."""

    def __init__(self, plan: Plan) -> None:
        """Create the folder, or check that it belongs to this study.

        Raises:
            RunFolderError: it belongs to another, or cannot be read or written.
        """
        self._plan = plan
        self._file = plan.folder / _NAME
        before = self._read()
        content: dict[str, Any] = {
            "schema": 1,
            "study": plan.file.study.name,
            "title": plan.file.study.title,
            "file": plan.file.document.name,
            "baseline": plan.file.baseline,
            "base": dict(plan.base),
            "arms": {arm.name: dict(arm.changes) for arm in plan.arms},
            "stopped": before.get("stopped", {}),
            "command": host.command_line(),
        }
        content = json.loads(json.dumps(content, default=str))
        if before and self.reported_arms():
            there, now = ({key: part.get(key) for key in ("study", "base")} for part in (before, content))
            changed = provenance.differences(there, now)
            if changed:
                raise RunFolderError(provenance.made_differently(f"{plan.folder} holds a study", changed))
        self._content = content
        if content != before:  # a study that is done needs no room
            self._write()

    @property
    def stopped(self) -> Mapping[str, str]:
        """Arm → why it was stopped early and is incomplete on purpose, a sentence."""
        found: dict[str, str] = self._content["stopped"]
        return found

    def note_stopped(self, arm: str, why: str) -> None:
        """Remember that an arm was stopped early, or with "" that it was not.

        Raises:
            RunFolderError: it cannot be written.
        """
        if self.stopped.get(arm, "") == why:
            return
        self._content["stopped"].pop(arm, None)
        if why:
            self._content["stopped"][arm] = why
        self._write()

    def reported_arms(self) -> list[Arm]:
        """Arms that have a completed episode, of this start or an earlier one; the baseline first."""
        found = [arm for arm in self._plan.arms if self._completed(arm)]
        return sorted(found, key=lambda arm: arm.name != self._plan.file.baseline)

    def _completed(self, arm: Arm) -> bool:
        results = read_episodes(self._plan.folder / arm.name)[0].values()
        return any(result.outcome != "error" for result in results)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        except OSError as error:
            raise RunFolderError(f"cannot read {self._file}: {error.strerror}.") from error
        except ValueError as error:
            raise RunFolderError(
                f"{self._file} is damaged or empty. Delete it and give the same command again: the arms' results are "
                "in their own folders."
            ) from error
        return found if isinstance(found, dict) else {}

    def _write(self) -> None:
        try:
            write_whole(self._file, json.dumps(self._content, indent=2) + "\n")
        except OSError as error:
            raise RunFolderError(
                f"cannot write {self._file}: {error.strerror}. Choose another folder with --out."
            ) from error
