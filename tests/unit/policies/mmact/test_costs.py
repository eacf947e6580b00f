"""What MM-ACT's answers take: the sequence as the prompts make it, and FLOPs that can be worked out on paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mmact_eval.config.suite_file import load_suite
from mmact_eval.conformance.optional_members import slips
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.errors import UsageError
from mmact_eval.optional import OF_POLICIES
from mmact_eval.policies.llada.policy.costs import rehearse_encoding
from mmact_eval.policies.llada.policy.shapes import ShapePolicy
from mmact_eval.policies.mmact.policy import make_policy
from mmact_eval.policies.mmact.random_weights.shape import make_policy as make_shape
from mmact_eval.profiling.counting import count
from mmact_eval.profiling.made_up import questions, spec_for
from mmact_eval.profiling.points import Point
from mmact_eval.profiling.row import Work
from mmact_eval.protocols import Policy
from mmact_eval.types import Query

LIBERO = env_spec(load_suite("libero-long"))
SMALL = {"d_model": 64, "n_layers": 3, "n_heads": 4, "mlp_hidden_size": 160, "picture_tokens": 16}
BINS, PUBLISHED_PARAMETERS = 2048, 8_099_467_264


def asked(policy: Any, views: int = 2, words: int = 5, index: int = 1, batch: int = 1) -> list[Query]:
    point = Point(views=views, instruction_words=words, batch=batch)
    return questions(spec_for(LIBERO, point), policy.spec, point, 0).call(index)


def shape(views: int = 2, **args: Any) -> ShapePolicy:
    return make_shape(spec_for(LIBERO, Point(views=views)), **{**SMALL, **args})


def transformer_alone(policy: ShapePolicy, queries: list[Query]) -> Work:
    """Without the image tokenizer, which has a layer of attention of its own."""
    whole = count(torch, lambda: policy.rehearse(queries))
    quantizer = policy._policy._model.quantizer  # type: ignore[attr-defined]
    encoding = count(torch, lambda: rehearse_encoding(quantizer, len(queries) * len(policy.spec.cameras)))
    return replace(whole, products=whole.products - encoding.products, attention=whole.attention - encoding.attention)


@pytest.mark.parametrize(
    ("views", "words", "steps", "batch"), [(2, 5, 1, 1), (1, 40, 1, 1), (4, 5, 3, 1), (3, 9, 2, 4)]
)
def test_counted_flops_are_those_worked_out_on_paper(views: int, words: int, steps: int, batch: int) -> None:
    policy = shape(views, steps=steps)
    queries = asked(policy, views, words, batch=batch)
    (sequence,) = policy.describe_cost(queries[0]).sequences
    length, width, inner, layers = sum(sequence.tokens.values()), 64, 160, 3
    assert sequence.tokens["pictures"] == 16 * views
    weights = layers * (4 * width * width + 3 * width * inner)
    counted = transformer_alone(policy, queries)
    # Two for each weight and token, two times two for each pair of tokens and number of the width; a head at 56 places.
    assert counted.products == batch * steps * (2 * weights * length + 2 * 56 * width * BINS)
    assert counted.attention == batch * steps * layers * 4 * length * length * width


def test_a_word_more_is_a_token_more_and_a_view_as_many_as_it_has_codes() -> None:
    def length(views: int, words: int) -> int:
        policy = shape(views)
        return sum(policy.describe_cost(asked(policy, views, words)[0]).sequences[0].tokens.values())

    assert length(2, 30) - length(2, 5) == 25
    assert length(4, 5) - length(3, 5) == 16 + 2 + 8  # "The right wrist view of robot is:"


def test_the_published_shape_takes_no_memory_and_has_the_published_parameters() -> None:
    policy = make_shape(LIBERO)
    cost = policy.describe_cost(asked(policy)[0])
    assert cost.parameters["transformer"] == PUBLISHED_PARAMETERS
    assert cost.sequences[0].tokens["pictures"] == 512


def test_plans_and_pictures_are_counted_at_their_turn() -> None:
    policy = shape(variant="text-image", plan_steps=2, plan_tokens=16)
    first, second = (asked(policy, index=index) for index in (0, 1))
    assert [(of.purpose, of.passes) for of in policy.describe_cost(first[0]).sequences] == [
        ("actions", 1), ("text", 2), ("picture", 18),
    ]  # fmt: skip
    assert [of.purpose for of in policy.describe_cost(second[0]).sequences] == ["actions"]
    assert count(torch, lambda: policy.rehearse(first)).flops > count(torch, lambda: policy.rehearse(second)).flops


def test_what_is_rehearsed_is_what_an_answer_takes(checkpoint: Path) -> None:
    where: dict[str, Any] = {"checkpoint": str(checkpoint / "model"), "quantizer": str(checkpoint / "quantizer")}
    policy = make_policy(LIBERO, **where, steps=2, device="cpu", dtype="float32")
    queries = asked(policy, batch=2)
    acted, rehearsed = count(torch, lambda: policy.act(queries)), count(torch, lambda: policy.rehearse(queries))
    assert (acted.products, acted.attention, acted.convolutions) == (
        rehearsed.products, rehearsed.attention, rehearsed.convolutions,
    )  # fmt: skip
    assert acted.attention > 0


def test_a_shape_cannot_act_and_says_so_before_a_run() -> None:
    policy = shape()
    says = "mmact-shape has no weights and cannot act; `mmact-eval profile"
    with pytest.raises(UsageError, match=says):
        policy.act(asked(policy))
    with pytest.raises(UsageError, match=says):
        policy.covers(load_suite("libero-long"), [])


def test_sizes_of_a_shape_are_checked() -> None:
    with pytest.raises(UsageError, match="picture_tokens must be a square number such as 256, got 200"):
        make_shape(LIBERO, picture_tokens=200)
    with pytest.raises(UsageError, match="dtype must be float32, bfloat16 or float16"):
        make_shape(LIBERO, dtype="int8")


def test_what_it_offers_is_spelled_as_it_is_asked_for() -> None:
    assert list(slips(shape(), Policy, OF_POLICIES)) == []
