"""Studies as they are listed: a study whose parts are there (``ablate --shard``) is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmact_eval.errors import RunFolderError
from mmact_eval.machine.regular_file import Signature, signature
from mmact_eval.runs.shard import is_part
from mmact_eval.studies.as_it_stands import NAME, StudyRecord, read_study


@dataclass(frozen=True)
class FoundStudy:
    """A study.

    Attributes:
        place: its folder, or that which its parts lie in.
        folders: the same, or those of its parts.
    """

    place: Path
    folders: tuple[Path, ...]

    def signature(self) -> tuple[Signature | None, ...]:
        """Equal as long as `read` would come out the same."""
        return tuple(signature(folder / NAME) for folder in self.folders)

    def read(self) -> StudyRecord:
        """What it is.

        Raises:
            RunFolderError: a folder is damaged, or the parts are of different studies.
        """
        first, *others = (read_study(folder) for folder in self.folders)
        for other in others:
            if replace(other, folder=first.folder, stopped=first.stopped) != first:
                raise RunFolderError(f"{first.folder.name} and {other.folder.name} are parts of different studies")
        return first


def found_studies(folders: Sequence[Path]) -> list[FoundStudy]:
    """The studies in these folders, where at least two parts in one place and of one number are one study."""
    groups: dict[tuple[Path, str], list[Path]] = {}
    for folder in folders:
        key = (folder.parent, folder.name.rpartition("-")[2]) if is_part(folder.name) else (folder, "")
        groups.setdefault(key, []).append(folder)
    return [FoundStudy(place if len(found) > 1 else found[0], tuple(found)) for (place, _), found in groups.items()]
