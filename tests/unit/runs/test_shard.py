"""Parts of a run: each episode is in one, they are equally large, and a batch system's array names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.errors import UsageError
from mmact_eval.runs.request import of_part
from mmact_eval.runs.shard import Shard, parse_shard, planned, whole_plan, without_shard
from mmact_eval.types import Episode


def plan(*states: int) -> list[Episode]:
    """So many episodes of each task."""
    return [Episode("toy", f"task {k}", state, 0) for k, number in enumerate(states) for state in range(number)]


@given(states=st.lists(st.integers(1, 30), min_size=1, max_size=12), count=st.integers(1, 40))
def test_every_episode_is_in_one_part_and_tasks_are_split_as_rarely_as_can_be(states: list[int], count: int) -> None:
    episodes = plan(*states)
    if count > len(episodes):
        with pytest.raises(UsageError, match=f"Ask for {len(episodes)} parts at most"):
            Shard(0, count).of(episodes)
        return
    parts = [Shard(index, count).of(episodes) for index in range(count)]
    assert [episode for part in parts for episode in part] == episodes
    sizes = {len(part) for part in parts}
    assert max(sizes) - min(sizes) <= 1
    builds = sum(len({episode.task for episode in part}) for part in parts)
    assert builds <= len(states) + count - 1


def test_a_part_does_not_depend_on_the_order_in_which_tasks_are_mixed() -> None:
    episodes = plan(3, 3)
    mixed = [episodes[k] for k in (0, 3, 1, 4, 2, 5)]
    assert Shard(0, 2).of(mixed) == Shard(0, 2).of(episodes)


@given(
    st.lists(
        st.builds(Episode, st.just("toy"), st.sampled_from(["a", "b c"]), st.integers(0, 60), st.integers(-1, 2)),
        unique=True,
    )
)
def test_a_plan_in_few_words_is_the_plan(episodes: list[Episode]) -> None:
    there = planned("toy", whole_plan(episodes))
    assert sorted(there) == sorted(episodes)
    assert planned("toy", whole_plan(there)) == there, "and keeps its order"


def test_a_long_plan_takes_few_words() -> None:
    assert whole_plan(plan(50, 2)) == {"task 0": {"0": "0-49"}, "task 1": {"0": "0-1"}}


def array(number: object, low: object, high: object, count: object) -> dict[str, str]:
    values = {"ID": number, "MIN": low, "MAX": high, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items() if value is not None}


def test_a_task_of_an_array_is_its_part() -> None:
    assert parse_shard("slurm", array(2, 0, 3, 4)) == Shard(2, 4)
    assert parse_shard("2/4") == Shard(2, 4)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, r"no task of a Slurm array .*sbatch --array=0-2"),
        (array(1, 1, 3, 3), "3 of the numbers 1 to 3"),
        (array(2, 0, 4, 3), "3 of the numbers 0 to 4"),
        (array(1, 1, 1, 1), "1 of the numbers 1 to 1"),
        (array(0, 0, 0, 1), "say which of how many"),
        (array(5, 0, 3, 4), "4 of the numbers 0 to 3"),
        (array(1, 0, 3, None), "cannot be understood"),
        (array("x", 0, 3, 4), "cannot be understood"),
    ],
    ids=["no array", "from 1", "in steps", "one again", "the first again", "outside", "no count", "no number"],
)
def test_an_array_that_may_mean_something_else_is_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_shard("slurm", environment)


@pytest.mark.parametrize("text", ["3/3", "1", "-1/3", "1/0", "a/b", "1/3/2", "", "SLURM", "١/٣"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        parse_shard(text, {})


def test_the_command_of_the_whole_run_is_that_of_a_part_without_it() -> None:
    whole = ["mmact-eval", "run", "--suite", "toy", "--limit", "3"]
    assert without_shard([*whole[:2], "--shard", "0/3", *whole[2:]]) == whole
    assert without_shard([*whole, "--shard=slurm"]) == whole


def test_a_part_goes_below_the_folder_of_the_run_or_into_its_own(tmp_path: Path) -> None:
    part = Shard(0, 2)
    assert of_part(tmp_path, part) == of_part(tmp_path / "shard-0-of-2", part) == tmp_path / "shard-0-of-2"
    with pytest.raises(UsageError, match=r"shard-1-of-2 is the place of another part than 0/2"):
        of_part(tmp_path / "shard-1-of-2", part)


@pytest.mark.parametrize("name", ["manifest.json", "study.json"])
def test_a_whole_run_does_not_go_where_parts_lie(tmp_path: Path, name: str) -> None:
    (tmp_path / "shard-0-of-2").mkdir()
    assert of_part(tmp_path, None) == tmp_path
    (tmp_path / "shard-0-of-2" / name).touch()
    with pytest.raises(UsageError, match=r"holds 1 part of a run \(shard-0-of-2, …\)\. `mmact-eval merge"):
        of_part(tmp_path, None)
    (tmp_path / name).touch()  # it was there before
    assert of_part(tmp_path, None) == tmp_path
