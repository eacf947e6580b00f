"""No two episodes share a file, whatever their tasks are called."""

from __future__ import annotations

import pytest

from mmact_eval.types import Episode

LONG = "pick_up_the_red_bowl_between_the_plate_and_the_ramekin_and_put_it_on_the_stove_from_camera_position_0_" * 3


def stem(task: str, init_state: int = 3, seed: int = 7) -> str:
    return str(Episode("toy", task, init_state, seed).file_stem)


@pytest.mark.parametrize("task", ["easy", "KITCHEN_SCENE4_put-the bowl.in", "把红色的碗放在盘子上"])
def test_ordinary_names_are_left_as_they_are(task: str) -> None:
    assert stem(task) == f"{task}/init03-seed7"


@pytest.mark.parametrize("start", [LONG, "把红色的碗放在盘子上" * 30, "é" * 200])
def test_tasks_that_begin_alike_stay_apart_within_what_a_file_system_takes(start: str) -> None:
    places = {stem(f"{start}{end}") for end in ("turned_left", "turned_right", "", "turned_left2")}
    assert len(places) == 4
    assert all(len(place.partition("/")[0].encode()) <= 100 for place in places)


@pytest.mark.parametrize("task", ["a/b", "../up", ".", "..", "new\nline", "nul\0", "/absolute", "\udcff"])
def test_a_name_that_is_no_file_name_gives_one_folder_of_its_own(task: str) -> None:
    folder, slash, _ = stem(task).partition("/")
    assert slash
    assert folder not in ("", ".", "..")
    assert stem(task).count("/") == 1
    assert folder.encode().isascii()
    assert len({stem(other) for other in (task, f"{task}_", "a_b", ".._up")}) == 4


def test_init_states_and_seeds_have_files_of_their_own() -> None:
    assert len({stem("easy", i, seed) for i in (0, 1, 100) for seed in (0, 1, -1)}) == 9
