"""The runs that one is put together from: found, kept from being written meanwhile, and read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.runs.files.lock import BeingWritten, not_written
from mmact_eval.runs.manifest import ShardPart
from mmact_eval.runs.reading import Run, read_run
from mmact_eval.runs.shard import Shard, is_part, planned
from mmact_eval.types import Episode

STUDY = "study.json"
"""What makes a folder that of a study."""

_RECORDING, _RUN_OF_RECORDING = "recording", "run"
_PART = re.compile(r"shard-(\d+)-of-(\d+)")


@dataclass(frozen=True)
class Source:
    """A run that is part of another.

    Attributes:
        run: what its folder holds.
        shard: which part of how many it is; None if it does not say.
        asked: the episodes asked for, of all parts; None of a run that does not tell, as older ones.
    """

    run: Run
    shard: ShardPart | None
    asked: tuple[Episode, ...] | None

    @classmethod
    def of(cls, run: Run) -> Source:
        """What a run tells of itself."""
        starts = [session for session in run.sessions if session.plan]
        asked: tuple[Episode, ...] | None = None
        if starts:
            try:
                asked = tuple(planned(run.suite, starts[-1].plan))
            except ValueError:
                asked = None
        return cls(run, run.manifest.shard, asked)

    @property
    def name(self) -> str:
        """``runs/x (part 0 of 3)``."""
        return f"{self.run.folder} ({self.shard.in_words})" if self.shard else str(self.run.folder)

    @property
    def own(self) -> tuple[Episode, ...] | None:
        """The episodes that this part has to do."""
        if self.asked is None or self.shard is None or len(self.asked) < self.shard.count:
            return self.asked
        return tuple(Shard(self.shard.index, self.shard.count).of(self.asked))


def parts_of(folders: Sequence[Path]) -> list[Path]:
    """Runs and studies, where a folder may stand for the parts in it.

    Raises:
        UsageError: a folder is named twice, or cannot be told to be the one or the other.
    """
    found: list[Path] = []
    for folder in folders:
        parts = sorted(
            (path for path in folder.glob("shard-*-of-*") if is_part(path.name) and path.is_dir()), key=_number
        )
        is_one = any((folder / name).exists() for name in ("manifest.json", STUDY))
        if parts and is_one:
            raise UsageError(
                f"{folder} is a run, and there are parts of one in it. Say which is meant; the parts are "
                f"{folder}/shard-*."
            )
        counts = {_number(part)[0] for part in parts}
        if len(counts) > 1:
            raise UsageError(
                f"{folder} has parts of {' and '.join(map(str, sorted(counts)))}. Say which are meant, such as "
                f"{folder}/shard-*-of-{max(counts)}."
            )
        found += parts or [folder]
    places = [folder.resolve() for folder in found]
    for folder, place in zip(found, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{folder} is given twice.")
    return found


def left_aside(folders: Sequence[Path]) -> list[str]:
    """What lies beside the parts in a folder and is none by its name, such as a copy of one; a sentence each."""
    found = []
    for folder in folders:
        if parts_of([folder]) == [folder]:
            continue
        for path in sorted(folder.iterdir()):
            if not is_part(path.name) and any((path / name).is_file() for name in ("manifest.json", STUDY)):
                found.append(f"{path} is no part by its name (shard-0-of-3 and so on) and was left aside")
    return found


def _number(part: Path) -> tuple[int, int]:
    found = _PART.fullmatch(part.name)
    return (int(found[2]), int(found[1])) if found else (0, 0)


def opened(folders: Sequence[Path], held: ExitStack) -> list[Source]:
    """Read runs, the parts of one in their order. Nobody writes them until `held` is over.

    Raises:
        RunFolderError: one is no run folder, cannot be read, contradicts itself, or is being written.
        UsageError: one is something else.
    """
    for folder in folders:
        _require_run(folder)
    _keep_from_being_written(folders, held)
    sources = [Source.of(read_run(folder)) for folder in folders]
    for source in sources:
        if source.run.manifest.made_with.of_command(_RECORDING) is not None:
            raise _recorded(source.run.folder)
    if all(source.shard for source in sources):
        sources.sort(key=lambda source: (source.shard.count, source.shard.index) if source.shard else (0, 0))
    return sources


def _keep_from_being_written(folders: Sequence[Path], held: ExitStack) -> None:
    """Let nobody write them until `held` is over.

    Raises:
        RunFolderError: some are being written; names all of them.
    """
    busy: list[BeingWritten] = []
    for folder in folders:
        try:
            held.enter_context(not_written(folder))
        except BeingWritten as error:
            busy.append(error)
        except OSError as error:
            raise RunFolderError(f"cannot read {folder}: {error.strerror}.") from error
    if len(busy) == 1:
        raise busy[0]
    if busy:
        lines = "\n".join(f"  - {one.told}" for one in busy)
        raise RunFolderError(
            f"{len(busy)} of these runs are not over yet:\n{lines}\n"
            "Wait until they are, or stop them (their commands resume them), and merge again."
        )


def _require_run(folder: Path) -> None:
    if not (folder / "manifest.json").exists() and (folder / _RUN_OF_RECORDING / "manifest.json").exists():
        raise _recorded(folder)


def _recorded(folder: Path) -> UsageError:
    return UsageError(f"{folder} is a recorded data set; only runs and studies can be merged.")
