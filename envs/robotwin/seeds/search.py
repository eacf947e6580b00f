"""Find the seeds the expert solves, on several simulator processes.

A seed is only tried when all seeds before it have been or are being tried and so many are still wanted. So the result
is the same for any number of processes: the verdicts from the first seed up to the last one wanted.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.client import Simulator, SimulatorDied
from mmact_eval.envs.robotwin.install import installation
from mmact_eval.envs.robotwin.seeds.manifest import (
    Column,
    Manifest,
    Verdict,
    accepted_seed,
    being_changed,
    load,
    manifest_path,
    random_seed,
)
from mmact_eval.envs.robotwin.spec import camera_type
from mmact_eval.errors import EnvironmentFailure
from mmact_eval.suite import Suite

SAVE_SECONDS = 20.0
"""How often an unfinished manifest is written, so that a long search is not lost."""


@dataclass
class _Work:
    """A column that grows, with verdicts that arrived before those of smaller seeds."""

    column: Column
    wanted: int
    attempts: int
    given_out: int = 0
    early: dict[int, Verdict] = field(default_factory=dict)

    def next(self) -> int | None:
        """The seed to try next, None if nothing is to be done now."""
        in_flight = self.given_out - len(self.column.verdicts)
        missing = self.wanted - len(self.column.accepted) - in_flight
        if missing <= 0 or self.column.rejected_in_a_row + in_flight >= self.attempts:
            return None
        seed = self.column.next_seed + in_flight
        self.given_out += 1
        return seed

    @property
    def done(self) -> bool:
        """Whether enough seeds are accepted, or too many in a row were rejected."""
        enough = len(self.column.accepted) >= self.wanted
        return enough or self.column.rejected_in_a_row >= self.attempts

    def add(self, verdict: Verdict) -> None:
        """Take a verdict in; the column grows without gaps."""
        self.early[verdict.seed] = verdict
        while self.column.next_seed in self.early and not self.done:
            self.column.verdicts.append(self.early.pop(self.column.next_seed))


class SeedSearch:
    """Fills a manifest's columns."""

    def __init__(
        self,
        manifest: Manifest,
        path: Path,
        start: Callable[[], Simulator],
        attempts: int,
        timeout: float,
        say: Callable[[str], None],
    ) -> None:
        """
        Args:
            manifest: is extended.
            path: where it is written, from time to time and at the end.
            start: starts a simulator process.
            attempts: rejected seeds in a row after which a column is given up.
            timeout: seconds the expert may take for a seed.
            say: told of each verdict.
        """
        self._manifest, self._path, self._start = manifest, path, start
        self._attempts, self._timeout, self._say = attempts, timeout, say
        self._lock = threading.Condition()
        self._works: list[_Work] = []
        self._saved = time.monotonic()
        self._failure: BaseException | None = None

    def run(self, wanted: Mapping[tuple[str, int], int], workers: int) -> None:
        """Search until every column has its number of accepted seeds, or is given up.

        Args:
            wanted: (task, run seed) → number of accepted seeds.
            workers: simulator processes.

        Raises:
            EnvironmentFailure: the simulator cannot be started.
        """
        columns = [(self._manifest.column(task, seed), number) for (task, seed), number in wanted.items()]
        works = [_Work(column, number, self._attempts, len(column.verdicts)) for column, number in columns]
        self._works = [work for work in works if not work.done]
        if not self._works:
            return
        try:
            with ThreadPoolExecutor(max_workers=workers) as pool:
                threads = [pool.submit(self._work) for _ in range(workers)]
                try:
                    for thread in threads:
                        thread.result()
                except BaseException as failure:  # Ctrl-C as well: the threads must hear of it before they are joined
                    self._stop(failure)
                    raise
        finally:
            self._manifest.write(self._path)

    def _stop(self, failure: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or failure
            self._lock.notify_all()

    def _work(self) -> None:
        """One thread: one simulator process, one seed after the other."""
        simulator: Simulator | None = None
        try:
            while (task := self._take()) is not None:
                work, seed = task
                if simulator is None or not simulator.alive:
                    simulator = self._start()
                self._settle(work, self._try(simulator, work.column.task, seed))
        except BaseException as failure:
            self._stop(failure)
            raise
        finally:
            if simulator is not None and simulator.alive:
                simulator.close()

    def _take(self) -> tuple[_Work, int] | None:
        with self._lock:
            while self._failure is None:
                for work in self._works:
                    seed = work.next()
                    if seed is not None:
                        return work, seed
                if all(work.done or work.given_out == len(work.column.verdicts) for work in self._works):
                    return None
                self._lock.wait(1.0)
            return None

    def _try(self, simulator: Simulator, task: str, seed: int) -> Verdict:
        begin = time.monotonic()
        try:
            answer = simulator.ask(
                "check_seed", self._timeout, name=task, seed=seed, random_seed=random_seed(task, seed)
            )
        except SimulatorDied as error:
            return Verdict(seed, f"crash: {error}", {}, time.monotonic() - begin)
        except EnvironmentFailure as error:
            return Verdict(seed, f"error: {error}", {}, time.monotonic() - begin)
        reason = "" if answer["success"] else answer["reason"] or "not solved"
        return Verdict(seed, reason, answer["instructions"], time.monotonic() - begin)

    def _settle(self, work: _Work, verdict: Verdict) -> None:
        with self._lock:
            work.add(verdict)
            found = f"{len(work.column.accepted)}/{work.wanted}"
            self._say(f"{work.column.task} seed {verdict.seed}: {verdict.reason or 'accepted'} ({found})")
            if work.done and len(work.column.accepted) < work.wanted:
                self._say(f"{work.column.task}: given up after {self._attempts} rejected seeds in a row")
            if time.monotonic() - self._saved > SAVE_SECONDS:
                self._manifest.write(self._path)
                self._saved = time.monotonic()
            self._lock.notify_all()


def wanted_columns(episodes: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int], int]:
    """(task, run seed, init state) of episodes → (task, run seed) → how many accepted seeds they need."""
    wanted: dict[tuple[str, int], int] = {}
    for task, run_seed, init_state in episodes:
        wanted[task, run_seed] = max(wanted.get((task, run_seed), 0), init_state + 1)
    return wanted


def find_seeds(
    suite: Suite,
    wanted: Mapping[tuple[str, int], int],
    workers: int,
    say: Callable[[str], None],
    variables: Callable[[], Mapping[str, str]],
) -> Manifest:
    """The suite's manifest with so many accepted seeds a column; a user's own manifest is never extended.

    Args:
        suite: what is evaluated.
        wanted: (task, run seed) → how many accepted seeds.
        workers: simulator processes at the same time.
        say: hears how far it is.
        variables: environment variables of the simulator's driver, asked for when one is started.

    Raises:
        UsageError: something is missing, or the user's manifest has too few seeds.
    """
    args = RobotwinArgs.parse(suite.env_args)
    path = manifest_path(args)
    if args.seeds:
        manifest = load(args)
        for (task, run_seed), number in wanted.items():
            accepted_seed(args, task, run_seed, number - 1)
        return manifest
    with being_changed(path):
        manifest = load(args)
        settings = installation.settings(args, camera_type(suite, args))
        driver = variables()
        start = functools.partial(Simulator, settings, args.python, driver)
        SeedSearch(manifest, path, start, args.attempts, args.expert_timeout, say).run(wanted, workers)
    return manifest
