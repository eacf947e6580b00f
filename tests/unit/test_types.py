"""Seeds and identities do not depend on the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.runs.reading import read_run
from mmact_eval.types import Episode, EpisodeResult, Observation, Query, derive_seed


def test_a_seed_is_the_same_in_every_process_and_release() -> None:
    # A recorded value: changing it changes every scene of every published run.
    episode = Episode("libero-object", "pick_up_the_milk", 3, 7)
    assert episode.derived_seed("scene") == 1892961946
    code = f"from mmact_eval.types import *; print({episode!r}.derived_seed('scene'))"
    assert int(subprocess.check_output([sys.executable, "-c", code])) == episode.derived_seed("scene")


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_each_part_of_an_episode_changes_its_seeds(init_state: int, seed: int, index: int) -> None:
    base = Episode("s", "t", init_state, seed)
    others = [Episode("s2", "t", init_state, seed), Episode("s", "t2", init_state, seed)]
    others += [Episode("s", "t", init_state + 1, seed), Episode("s", "t", init_state, seed + 1)]
    assert len({e.derived_seed("scene") for e in [base, *others]}) == 5
    seen = Observation({}, {}, "")
    draws = [Query(seen, e, i).rng().random() for e in [base, *others] for i in (index, index + 1)]
    assert len(set(draws)) == 10


def test_parts_are_not_glued_together() -> None:
    assert derive_seed("ab", "c") != derive_seed("a", "bc")


def test_results_without_figures_are_written_as_they_always_were() -> None:
    record = EpisodeResult(Episode("s", "t", 0, 0), "success").to_json()
    assert "figures" not in record
    assert EpisodeResult.from_json(record).figures == {}


@pytest.mark.parametrize("value", ["high", None, True, float("nan")])
def test_a_damaged_figure_is_named_with_its_line(tmp_path: Path, value: object) -> None:
    (tmp_path / "manifest.json").write_text('{"fingerprint": {"suite": {"name": "s"}}}')
    good = EpisodeResult(Episode("s", "t", 0, 0), "success", figures={"env/length": 2.0}).to_json()
    bad = {**good, "init_state": 1, "figures": {"env/length": value}}
    (tmp_path / "episodes.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (good, bad)))
    run = read_run(tmp_path)
    assert [result.figures for result in run.results] == [{"env/length": 2.0}]
    (warning,) = run.warnings
    assert "episodes.jsonl" in warning
    assert 'line 2 (ValueError: figure "env/length" is' in warning
