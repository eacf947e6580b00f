"""Seed manifests: which scene seeds the expert solves, and the instruction of each.

RoboTwin evaluates on seeds that its scripted expert can solve. Which ones these are depends on the planner, and how an
episode's instruction is worded on an unseeded generator; so both are determined once, written down, and used by every
run. Init state k of a task is its k-th accepted seed.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.catalog import first_seed
from mmact_eval.envs.robotwin.install import installation
from mmact_eval.envs.robotwin.install.cache import cache_folder
from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import expanded, for_writing
from mmact_eval.types import derive_seed

FORMAT = 1


@dataclass(frozen=True)
class Verdict:
    """What came of the expert's attempt at a seed.

    Attributes:
        seed: upstream's seed of the scene.
        reason: why it was rejected, "" if it was accepted.
        instructions: ``seen`` and ``unseen`` wording, for accepted seeds.
        seconds: how long it took.
    """

    seed: int
    reason: str = ""
    instructions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the expert solved it."""
        return not self.reason


@dataclass
class Column:
    """The seeds of one task under one seed of the run, in upstream's order and without gaps.

    Attributes:
        task, run_seed: whose they are.
        verdicts: from `catalog.first_seed` on.
    """

    task: str
    run_seed: int
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def accepted(self) -> list[Verdict]:
        """The accepted ones, in order."""
        return [verdict for verdict in self.verdicts if verdict.accepted]

    @property
    def next_seed(self) -> int:
        """The first seed without a verdict."""
        return first_seed(self.run_seed) + len(self.verdicts)

    @property
    def rejected_in_a_row(self) -> int:
        """How many verdicts at the end are rejections."""
        count = 0
        for verdict in reversed(self.verdicts):
            if verdict.accepted:
                break
            count += 1
        return count


class Manifest:
    """Columns of verdicts, and what they hold for."""

    def __init__(self, identity: Mapping[str, str], columns: Sequence[Column] = ()) -> None:
        self.identity = dict(identity)
        self._columns = {(column.task, column.run_seed): column for column in columns}

    def column(self, task: str, run_seed: int) -> Column:
        """The column of a task under a run's seed, empty if there was none."""
        return self._columns.setdefault((task, run_seed), Column(task, run_seed))

    def digest(self) -> str:
        """A short hash of all verdicts."""
        found = [asdict(column) for _, column in sorted(self._columns.items()) if column.verdicts]
        for column in found:
            for verdict in column["verdicts"]:
                del verdict["seconds"]
        return hashlib.blake2b(json.dumps(found, sort_keys=True).encode(), digest_size=6).hexdigest()

    def write(self, path: Path) -> None:
        """Write it as JSON, at once or not at all."""
        data: dict[str, Any] = {"format": FORMAT, "identity": self.identity, "columns": []}
        for _, column in sorted(self._columns.items()):
            accepted = [_plain(v, "instructions") for v in column.verdicts if v.accepted]
            rejected = [_plain(v, "reason") for v in column.verdicts if not v.accepted]
            if column.verdicts:
                data["columns"].append(
                    {"task": column.task, "run_seed": column.run_seed, "accepted": accepted, "rejected": rejected}
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
            json.dump(data, stream, indent=1, ensure_ascii=False)
        os.replace(stream.name, path)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read what `write` wrote.

        Raises:
            UsageError: there is no such file, or it is no manifest.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"its format is {data['format']}, not {FORMAT}")
            return cls(data["identity"], [_column(entry) for entry in data["columns"]])
        except OSError as error:
            raise UsageError(f"the seed manifest {path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is no seed manifest: {error}.") from error


def _plain(verdict: Verdict, what: str) -> dict[str, Any]:
    return {"seed": verdict.seed, what: getattr(verdict, what), "seconds": round(verdict.seconds, 1)}


def _column(entry: Mapping[str, Any]) -> Column:
    verdicts = [
        Verdict(int(one["seed"]), one.get("reason", ""), one.get("instructions", {}), float(one.get("seconds", 0.0)))
        for one in (*entry["accepted"], *entry["rejected"])
    ]
    column = Column(str(entry["task"]), int(entry["run_seed"]), sorted(verdicts, key=lambda verdict: verdict.seed))
    expected = list(range(first_seed(column.run_seed), column.next_seed))
    if [verdict.seed for verdict in column.verdicts] != expected:
        raise ValueError(f"the seeds of {column.task} do not follow each other from {first_seed(column.run_seed)} on")
    return column


def random_seed(task: str, seed: int) -> int:
    """What everything is seeded with that upstream leaves unseeded: a function of task and scene alone."""
    return derive_seed("robotwin", task, seed)


def manifest_path(args: RobotwinArgs) -> Path:
    """The user's manifest, or the one in the cache for what is simulated."""
    if args.seeds:
        return expanded(args.seeds).absolute()
    text = json.dumps(installation.identity(args), sort_keys=True)
    name = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    return cache_folder() / "seeds" / f"{args.mode}-{args.config}-{name}.json"


def load(args: RobotwinArgs) -> Manifest:
    """The manifest that a suite's runs use; an empty one if none has been made yet.

    Raises:
        UsageError: the user's manifest is missing, broken, or holds for something else.
    """
    path = manifest_path(args)
    identity = installation.identity(args)
    if not args.seeds and not path.is_file():
        return Manifest(identity)
    manifest = Manifest.read(path)
    wrong = [key for key in identity if manifest.identity.get(key) != identity[key]]
    if wrong:
        said = "; ".join(f"{key}: {manifest.identity.get(key)!r} there, {identity[key]!r} here" for key in wrong)
        raise UsageError(
            f"the seed manifest {path} was made for something else ({said}). Make one with `mmact-eval robotwin "
            "seeds`, or leave env_args.seeds out."
        )
    return manifest


@functools.lru_cache(maxsize=4)
def _cached(args: RobotwinArgs, path: Path, changed: float) -> Manifest:
    return load(args)


def accepted_seed(args: RobotwinArgs, task: str, run_seed: int, number: int) -> Verdict:
    """The `number`-th accepted seed of a task.

    Raises:
        UsageError: the manifest has no so many.
    """
    path = manifest_path(args)
    changed = path.stat().st_mtime if path.is_file() else 0.0
    accepted = _cached(args, path, changed).column(task, run_seed).accepted
    if number >= len(accepted):
        raise UsageError(
            f"{task} has {len(accepted)} accepted seeds for run seed {run_seed} in {path.name}; there is no number "
            f"{number}. `mmact-eval robotwin seeds` finds more, unless the expert gave up (env_args.attempts)."
        )
    return accepted[number]


@contextmanager
def being_changed(path: Path) -> Iterator[None]:
    """Keep other processes from extending the same manifest of the cache at the same time.

    Raises:
        UsageError: the cache cannot be written to.
    """
    for_writing(path.parent)
    with open(path.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        # Some network file systems have no locks. Two processes may then look for the same seeds at once; they find the
        # same ones.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
