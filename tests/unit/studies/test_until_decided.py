"""Stopping arms early: rightly, independently of the order in which episodes finish, and rarely without reason."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mmact_eval.engine.scheduler import in_turns
from mmact_eval.studies.until_decided import ArmWatch
from mmact_eval.types import Episode, EpisodeResult

PLANNED = [Episode("s", task, k, 0) for task in ("a", "b") for k in range(20)]


def results(solved: str | list[bool]) -> list[EpisodeResult]:
    names = {"S": "success", "F": "failure", "E": "error", True: "success", False: "failure"}
    return [EpisodeResult(episode, names[s]) for episode, s in zip(PLANNED, solved, strict=True)]  # type: ignore[arg-type]


def test_a_clear_difference_is_decided_early_and_its_direction_is_right() -> None:
    good, bad = results("S" * 40), results("F" * 40)
    watch = ArmWatch(good, PLANNED, arms=3)
    told = [watch.tell(result) for result in bad]
    assert watch.verdict == "worse"
    assert watch.pairs < 20
    assert told[-1]
    watch = ArmWatch(bad, PLANNED, arms=3)
    assert any(watch.tell(result) for result in good)
    assert watch.verdict == "better"


def test_episodes_count_in_turns_whatever_the_order_in_which_they_finish() -> None:
    arm = results("F" * 20 + "S" * 20)
    base = results("S" * 40)
    found = set()
    for key in range(5):
        watch = ArmWatch(base, PLANNED, arms=1)
        mixed = list(arm)
        random.Random(key).shuffle(mixed)
        for result in (*mixed, *mixed):  # told twice, as after a resume
            watch.tell(result)
        found.add((watch.verdict, watch.pairs))
    assert len(found) == 1
    watch = ArmWatch(base, PLANNED, arms=1)
    assert not any(watch.tell(result) for result in arm[5:20])  # the first turns are not there yet
    assert watch.pairs == 0


def test_errors_say_nothing() -> None:
    watch = ArmWatch(results("S" * 40), PLANNED, arms=1)
    assert not any(watch.tell(result) for result in results("E" * 40))
    assert (watch.verdict, watch.pairs) == ("undecided", 0)


@pytest.mark.slow
def test_stopping_for_a_difference_that_is_not_there_is_as_rare_as_promised() -> None:
    """Three arms as good as the baseline, watched after each episode: at most 5 % of studies stop any of them."""
    rng = np.random.default_rng(0)
    studies, wrong = 400, 0
    for _ in range(studies):
        hard = rng.uniform(0.2, 1.0, 40)
        base = results(list(rng.random(40) < hard))
        watches = [ArmWatch(base, PLANNED, arms=3) for _ in range(3)]
        stopped = [any(watch.tell(r) for r in results(list(rng.random(40) < hard))) for watch in watches]
        wrong += any(stopped)
    assert wrong / studies <= 0.05


def test_tasks_take_turns() -> None:
    assert [[e.task for e in turn] for turn in in_turns(PLANNED, 5)] == [["a"] * 5 + ["b"] * 5] * 4
