"""Which episodes are run again, what equal means, and what differs between then and now."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.derived.export import export
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.recheck.recheck import Pair, Recheck, draw
from mmact_eval.recheck.text import meaning, told
from mmact_eval.recheck.then_and_now import ThenAndNow, then_and_now
from mmact_eval.runs.reading import read_run
from mmact_eval.types import Episode, EpisodeResult, Stage

MakeRun = Callable[..., Path]

THEN = EpisodeResult(
    Episode("toy", "easy", 3, 0), "success", steps=20, queries=5, scene_hash="scene", final_hash="final"
)


@pytest.mark.parametrize(
    ("changes", "verdict", "detail"),
    [
        ({}, "equal to the bit", ""),
        ({"seconds": 9.0, "attempts": 2}, "equal to the bit", ""),
        ({"final_hash": "other"}, "equal in outcome", "final state"),
        ({"scene_hash": "other", "final_hash": "other"}, "equal in outcome", "scene, final state"),
        ({"steps": 21, "final_hash": "other"}, "equal in outcome", "steps 20 → 21, final state"),
        ({"outcome": "failure", "steps": 60, "final_hash": "other"}, "different", "steps 20 → 60, final state"),
        ({"outcome": "error", "error": "it broke"}, "error now", "it broke"),
    ],
)
def test_an_episode_is_equal_to_the_bit_in_outcome_or_different(
    changes: dict[str, Any], verdict: str, detail: str
) -> None:
    pair = Pair(THEN, replace(THEN, **changes))
    assert (pair.verdict, pair.detail) == (verdict, detail)


def test_what_has_no_hash_is_not_called_equal_to_the_bit() -> None:
    bare = replace(THEN, scene_hash="", final_hash="")
    assert Pair(bare, bare).verdict == "equal in outcome"
    assert Pair(bare, THEN).detail == "no hash was recorded"


def test_figures_that_differ_are_named_if_the_rollout_said_them() -> None:
    then = replace(THEN, figures={"env/length": 3.0, "plan/exact": 1.0})
    pair = Pair(then, replace(then, figures={"env/length": 2.0}))
    assert (pair.verdict, pair.detail) == ("equal in outcome", "env/length 3.0 → 2.0")
    assert Pair(then, replace(then, figures={"env/length": 3.0})).verdict == "equal to the bit"


def test_stages_that_differ_are_named() -> None:
    then = replace(THEN, stages=(Stage("lift", 3, True), Stage("place", 4, True)))
    fewer = replace(then, stages=(Stage("lift", 3, True), Stage("place", 4, False)))
    longer = replace(then, stages=(Stage("lift", 2, True), Stage("place", 5, True)))
    assert Pair(then, fewer).detail == "stages solved 2 → 1"
    assert Pair(then, longer).detail == "stages"
    assert Pair(then, then).verdict == "equal to the bit"


def test_an_episode_without_a_result_here_is_not_equal() -> None:
    assert Pair(THEN, None).verdict == "error now"


def test_the_same_seed_draws_the_same_episodes_from_all_tasks_and_never_errors(make_run: MakeRun) -> None:
    run = read_run(make_run("a", {"cup": "SSFESSSS", "mug": "SFSSSSSS", "jar": "ESSSSSSS"}))
    drawn = draw(run, 7, seed=1)
    assert drawn == draw(replace(run, results=run.results[::-1]), 7, seed=1)
    assert drawn != draw(run, 7, seed=2)
    assert sorted(sum(r.episode.task == task for r in drawn) for task in ("cup", "mug", "jar")) == [2, 2, 3]
    assert all(result.outcome != "error" for result in draw(run, 100, seed=0))
    assert len(draw(run, 100, seed=0)) == 22
    assert {r.episode.task for r in draw(run, 3, seed=5)} == {"cup", "mug", "jar"}


def test_a_run_without_completed_episodes_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(RunFolderError, match="no completed episode"):
        draw(read_run(make_run("a", {"cup": "EE"})), 5, seed=0)


def _session(folder: Path, cpu: str, packages: dict[str, str], **prepared: str) -> None:
    line = {"event": "start", "machine": {"host": "box", "cpu": cpu, "gpus": [], "packages": packages}}
    (folder / "sessions.jsonl").write_text(json.dumps({**line, "prepared": prepared}) + "\n")


def test_versions_processors_and_renderers_that_differ_are_named(make_run: MakeRun) -> None:
    before, after = (
        make_run(name, {"cup": "S"}, versions={"mujoco": version}) for name, version in (("a", "3.3"), ("b", "3.4"))
    )
    _session(before, "EPYC", {"torch": "2.8", "mujoco": "3.3"}, gl="osmesa", device="0")
    _session(after, "Xeon", {"torch": "2.9", "mujoco": "3.4"}, gl="egl", device="1")
    differs = then_and_now(read_run(before), read_run(after))
    assert differs.simulation == ("versions.mujoco: 3.3 → 3.4",)
    assert differs.policy == ()
    assert differs.machine == ("processor: EPYC → Xeon", "gl: osmesa → egl", "torch: 2.8 → 2.9")


def test_a_machine_that_was_not_recorded_is_said_to_be_so(make_run: MakeRun) -> None:
    before, after = make_run("a", {"cup": "S"}), make_run("b", {"cup": "S"})
    (before / "sessions.jsonl").unlink(missing_ok=True)
    _session(after, "Xeon", {})
    assert "processor: not recorded → Xeon" in then_and_now(read_run(before), read_run(after)).machine


@pytest.mark.parametrize(
    ("differs", "says"),
    [
        (ThenAndNow(simulation=("versions.mujoco: 3.3 → 3.4",)), "The simulation is another one"),
        (ThenAndNow(policy=("policy.code: a → b",)), "checks another policy"),
        (ThenAndNow(machine=("processor: EPYC → Xeon",)), "the machine is another one"),
        (ThenAndNow(), "Nothing that is recorded explains it"),
    ],
)
def test_what_a_difference_means_depends_on_what_else_differs(
    make_run: MakeRun, differs: ThenAndNow, says: str
) -> None:
    run = read_run(make_run("a", {"cup": "S"}))
    equal, other = Pair(THEN, THEN), Pair(THEN, replace(THEN, outcome="failure", final_hash="x"))
    found = Recheck(run, (equal, other), differs)
    assert says in " ".join(meaning(found))
    assert "Solved: 2 of 2 then, 1 now." in told(found)
    assert found.exit_code == 1
    assert "bit for bit" in " ".join(meaning(Recheck(run, (equal,), differs)))


def test_equal_outcomes_of_another_policy_are_no_pass(make_run: MakeRun) -> None:
    run = read_run(make_run("a", {"cup": "S"}))
    pairs = (Pair(THEN, replace(THEN, final_hash="x")),)
    assert Recheck(run, pairs, ThenAndNow(machine=("processor: EPYC → Xeon",))).exit_code == 0
    assert Recheck(run, pairs, ThenAndNow(policy=("policy.name: a → b",))).exit_code == 1


def test_a_policy_that_says_it_is_not_deterministic_explains_a_difference(make_run: MakeRun) -> None:
    run = read_run(make_run("a", {"cup": "S"}))
    unsteady = run.manifest.policy.model_copy(update={"deterministic": False})
    run = replace(run, manifest=run.manifest.model_copy(update={"policy": unsteady}))
    found = Recheck(run, (Pair(THEN, replace(THEN, final_hash="x")),), ThenAndNow())
    assert "not deterministic, as its spec says" in " ".join(meaning(found))
    assert found.exit_code == 0


def test_an_exported_run_has_the_same_results_and_no_host(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run("a", {"cup": "SFE", "mug": "SSS"})
    _session(folder, "EPYC", {})
    export(folder, tmp_path / "out")
    run, small = read_run(folder), read_run(tmp_path / "out")
    assert [r.reproducible() for r in small.results] == [r.reproducible() for r in run.results]
    for name in ("executed", "short_answers", "beyond_range", "farthest", "error_kind", "error", "scene_remarks"):
        assert [getattr(r, name) for r in small.results] == [getattr(r, name) for r in run.results]
    assert not any(r.latencies or r.seconds for r in small.results)
    assert small.manifest == run.manifest
    assert "box" not in (tmp_path / "out" / "sessions.jsonl").read_text()
    assert small.sessions[0].machine.cpu == "EPYC"


def test_an_export_never_overwrites_a_run(make_run: MakeRun) -> None:
    folder = make_run("a", {"cup": "S"})
    before = (folder / "episodes.jsonl").read_bytes()
    with pytest.raises(UsageError, match="holds a run already"):
        export(folder, folder)
    assert (folder / "episodes.jsonl").read_bytes() == before
