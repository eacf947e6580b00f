"""One thing is varied at a time, and slips are told in a line."""

from __future__ import annotations

import pytest

from mmact_eval.commands.common.values import parse_value
from mmact_eval.errors import UsageError
from mmact_eval.profiling.made_up import instruction, questions, spec_for
from mmact_eval.profiling.points import Point, Vary, parse_vary, planned
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec, StateSpec

ACTION = ActionSpec(2, "position_delta")
SPEC = EnvSpec("e", {"front": (48, 64), "hand": (32, 32)}, "upright", {"position": StateSpec(3, "m")}, ACTION)


def test_a_thing_is_varied_around_the_base_and_not_together_with_others() -> None:
    base = Point(batch=2, policy_args={"a": 1})
    varied = [Vary("batch", (1, 4)), Vary("policy_args.steps", (3,))]
    assert list(planned(base, varied)) == [
        ("", None, base),
        ("batch", 1, Point(batch=1, policy_args={"a": 1})),
        ("batch", 4, Point(batch=4, policy_args={"a": 1})),
        ("policy_args.steps", 3, Point(batch=2, policy_args={"a": 1, "steps": 3})),
    ]


def test_values_are_read_as_on_the_command_line() -> None:
    assert parse_vary("policy_args.dtype=float32, null,2", parse_value).values == ("float32", None, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bach=1,2", r'there is no "bach"\. Did you mean "batch"\?'),
        ("instruction_word=1", r'Did you mean "instruction_words"\?'),
        ("policy_args.=1", r'there is no "policy_args\."'),
        ("batch", r'takes name=value,value,…, not "batch"'),
        ("batch=,", "takes name=value"),
    ],
)
def test_slips_are_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_vary(text, parse_value)


@pytest.mark.parametrize(("name", "value"), [("batch", 0), ("batch", 1.5), ("views", True), ("threads", "two"),
                                             ("image_size", 8)])  # fmt: skip
def test_senseless_values_are_refused_before_anything_is_measured(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a whole number from"):
        list(planned(Point(), [Vary(name, (value,))]))


def test_views_are_the_environments_own_and_then_others_like_the_first() -> None:
    assert dict(spec_for(SPEC, Point(views=1)).cameras) == {"front": (48, 64)}
    assert dict(spec_for(SPEC, Point(views=4)).cameras) == {
        "front": (48, 64), "hand": (32, 32), "view3": (48, 64), "view4": (48, 64),
    }  # fmt: skip
    assert set(spec_for(SPEC, Point(image_size=96)).cameras.values()) == {(96, 96)}
    assert spec_for(SPEC, Point()) == SPEC


def test_observations_have_the_sizes_of_the_spec_and_are_the_same_for_a_seed() -> None:
    policy = PolicySpec("p", ACTION, chunk=1, cameras=("front",), state=("position",))
    asked = [questions(SPEC, policy, Point(batch=3, instruction_words=40), seed).call(2) for seed in (7, 7, 8)]
    first = asked[0][0].observation
    assert set(first.images) == {"front"}
    assert first.images["front"].shape == (48, 64, 3)
    assert first.state["position"].shape == (3,)
    assert len(first.instruction.split()) == 40
    assert [query.index for query in asked[0]] == [2, 2, 2]
    assert len({query.episode for query in asked[0]}) == 3
    assert (first.images["front"] == asked[1][0].observation.images["front"]).all()
    assert (first.images["front"] != asked[2][0].observation.images["front"]).any()
    assert (first.images["front"] != asked[0][1].observation.images["front"]).any()


def test_an_instruction_has_as_many_words_as_asked_for() -> None:
    assert [len(instruction(words).split()) for words in (1, 10, 333)] == [1, 10, 333]
