"""Seed manifests: what they hold, and that searching for them gives the same on any number of processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin import plugin
from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.client import SimulatorDied
from mmact_eval.envs.robotwin.install import installation
from mmact_eval.envs.robotwin.seeds import manifest as seeds
from mmact_eval.envs.robotwin.seeds.manifest import Column, Manifest, Verdict
from mmact_eval.envs.robotwin.seeds.search import SeedSearch, wanted_columns
from mmact_eval.errors import EnvironmentFailure, UsageError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path / "cache"))


class FakeSimulator:
    """Answers `check_seed` by a rule; dies where the rule raises `SimulatorDied`."""

    def __init__(self, rule: Callable[[int], bool], delay: Callable[[int], float], tried: list[int]) -> None:
        self.alive = True
        self._rule, self._delay, self._tried = rule, delay, tried

    def ask(self, what: str, timeout: float | None = None, **asked: Any) -> dict[str, Any]:
        seed = asked["seed"]
        self._tried.append(seed)
        time.sleep(self._delay(seed))
        try:
            success = self._rule(seed)
        except SimulatorDied:
            self.alive = False
            raise
        words = {"unseen": f"do it ({seed})"} if success else {}
        return {"success": success, "reason": "" if success else "not this one", "instructions": words}

    def close(self) -> None:
        self.alive = False


def search(
    path: Path,
    rule: Callable[[int], bool],
    wanted: Mapping[tuple[str, int], int],
    workers: int = 1,
    attempts: int = 5,
    manifest: Manifest | None = None,
    delay: Callable[[int], float] = lambda seed: 0.0,
) -> tuple[Manifest, list[int]]:
    manifest = manifest or Manifest({})
    tried: list[int] = []
    start: Any = lambda: FakeSimulator(rule, delay, tried)  # noqa: E731
    SeedSearch(manifest, path, start, attempts, 10.0, lambda text: None).run(wanted, workers)
    return manifest, tried


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 14)), st.integers(1, 4), st.integers(2, 4))
def test_the_verdicts_do_not_depend_on_the_number_of_processes(
    tmp_path_factory: pytest.TempPathFactory, bad: set[int], number: int, workers: int
) -> None:
    def rule(seed: int) -> bool:
        return seed % 100_000 not in bad

    path = tmp_path_factory.mktemp("seeds") / "m.json"
    wanted = {("a", 0): number, ("b", 1): number}
    one, tried = search(path, rule, wanted)
    many, tried_by_many = search(path, rule, wanted, workers, delay=lambda seed: 0.003 * (seed % 3))
    assert one.digest() == many.digest()
    assert sorted(tried) == sorted(tried_by_many), "no seed is tried in vain"
    for key in wanted:
        assert [verdict.seed for verdict in one.column(*key).accepted] == sorted(
            verdict.seed for verdict in one.column(*key).accepted
        )


def test_an_endless_search_ends(tmp_path: Path) -> None:
    manifest, tried = search(tmp_path / "m.json", lambda seed: False, {("a", 0): 3}, workers=3, attempts=7)
    assert tried == sorted(tried)
    assert len(manifest.column("a", 0).verdicts) == 7
    assert not manifest.column("a", 0).accepted


def test_a_manifest_grows_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    search(path, lambda seed: seed % 2 == 1, {("a", 0): 2})
    again, tried = search(path, lambda seed: seed % 2 == 1, {("a", 0): 4}, manifest=Manifest.read(path))
    assert [verdict.seed for verdict in again.column("a", 0).accepted] == [100_001, 100_003, 100_005, 100_007]
    assert min(tried) == 100_004, "what is known is not tried again"
    assert [v.reason for v in again.column("a", 0).verdicts][:2] == ["not this one", ""]


def test_a_crash_rejects_the_seed_and_the_search_goes_on(tmp_path: Path) -> None:
    def rule(seed: int) -> bool:
        if seed == 100_001:
            raise SimulatorDied("died of signal 11")
        return True

    manifest, _ = search(tmp_path / "m.json", rule, {("a", 0): 3})
    (rejected,) = [verdict for verdict in manifest.column("a", 0).verdicts if not verdict.accepted]
    assert (rejected.seed, rejected.reason) == (100_001, "crash: died of signal 11")


def test_a_simulator_that_does_not_start_ends_the_search(tmp_path: Path) -> None:
    def start() -> Any:
        raise EnvironmentFailure("cannot be started")

    begin = threading.active_count()
    with pytest.raises(EnvironmentFailure, match="cannot be started"):
        SeedSearch(Manifest({}), tmp_path / "m.json", start, 5, 10.0, lambda text: None).run({("a", 0): 1}, 2)
    assert threading.active_count() == begin


def test_episodes_ask_for_as_many_seeds_as_their_last_needs() -> None:
    assert wanted_columns([("a", 0, 0), ("a", 0, 4), ("b", 1, 2)]) == {("a", 0): 5, ("b", 1): 3}


def test_a_manifest_for_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    args = RobotwinArgs.parse({"mode": "embedded", "seeds": str(path)})
    Manifest({**installation.identity(args), "planner": "curobo"}).write(path)
    with pytest.raises(UsageError, match="planner: 'curobo' there, 'mplib' here"):
        seeds.load(args)


@pytest.mark.parametrize("text", ["{}", "not JSON", '{"format": 2, "identity": {}, "columns": []}',
                                  '{"format": 1, "identity": {}, "columns": [{"task": "a", "run_seed": 0, "accepted": '
                                  '[{"seed": 100001}], "rejected": []}]}'])  # fmt: skip
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="no seed manifest"):
        Manifest.read(path)


def test_a_users_manifest_is_used_and_never_extended(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    args = RobotwinArgs.parse({"mode": "embedded", "seeds": str(path)})
    column = Column("stack_blocks_two", 0, [Verdict(100_000, "too hard"), Verdict(100_001, "", {"unseen": "stack"})])
    Manifest(installation.identity(args), [column]).write(path)
    assert seeds.accepted_seed(args, "stack_blocks_two", 0, 0).seed == 100_001
    suite = load_suite("robotwin-smoke", (f"env_args.seeds={path}",))
    before = path.read_bytes()
    plugin.find_seeds(suite, {("stack_blocks_two", 0): 1}, 1, lambda text: None)
    with pytest.raises(UsageError, match="1 accepted seeds"):
        plugin.find_seeds(suite, {("stack_blocks_two", 0): 2}, 1, lambda text: None)
    assert path.read_bytes() == before


def test_scene_randomness_does_not_depend_on_the_run() -> None:
    assert seeds.random_seed("a", 100_000) == seeds.random_seed("a", 100_000)
    assert seeds.random_seed("a", 100_000) != seeds.random_seed("b", 100_000)
