"""Episodes that training has seen are told apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.results.trained_on import from_ranges, seen_in_training
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.specs import in_ranges
from mmact_eval.types import Episode, EpisodeResult, Outcome


@given(st.sets(st.integers(0, 60)))
def test_ranges_are_read_as_they_were_written(numbers: set[int]) -> None:
    assert from_ranges(in_ranges(numbers)) == numbers
    assert in_ranges([0, 1, 2, 7]) == "0-2,7"


def results(outcomes: dict[int, Outcome]) -> list[EpisodeResult]:
    return [EpisodeResult(Episode("toy", "easy", init, 0), outcome) for init, outcome in outcomes.items()]


def test_what_was_trained_on_is_counted_apart() -> None:
    fingerprint = {"policy": {"config": {"trained_on": {"toy": "0-1"}}}}
    mixed = results({0: "success", 1: "failure", 2: "failure", 3: "success", 4: "success", 5: "error"})
    (told,) = seen_in_training(MadeWith(fingerprint).trained_on, mixed)
    assert told.endswith("init states of 2 episodes and solved 1 of them; of the 3 others it solved 2.")
    assert not list(seen_in_training(MadeWith(fingerprint).trained_on, mixed[2:]))
    (told,) = seen_in_training(MadeWith(fingerprint).trained_on, mixed[:2])
    assert "there are no others" in told
    elsewhere = {"policy": {"config": {"trained_on": {"libero-object": "0-19"}}}}
    (told,) = seen_in_training(MadeWith(elsewhere).trained_on, mixed)
    assert told == "The policy was trained on libero-object, and on nothing of this suite."


@pytest.mark.parametrize(
    "fingerprint", [{}, {"policy": None}, {"policy": 3}, {"policy": {"config": {"trained_on": ["toy"]}}}]
)
def test_a_policy_that_says_nothing_is_told_nothing_of(fingerprint: Any) -> None:
    assert not list(seen_in_training(MadeWith(fingerprint).trained_on, results({0: "success"})))
