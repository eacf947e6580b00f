"""What MMaDA-VLA's answers take, worked out on paper."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.costs import rehearse_encoding
from mmact_eval.policies.mmada_vla.policy.shape import make_policy as make_shape
from mmact_eval.profiling.counting import count
from mmact_eval.profiling.made_up import questions
from mmact_eval.profiling.points import Point
from mmact_eval.types import Query

LIBERO = env_spec(load_suite("libero-long"))
SMALL: dict[str, Any] = {"d_model": 64, "n_layers": 2, "n_heads": 4, "mlp_hidden_size": 96, "picture_tokens": 16}
BINS, CODES = 256, 8192


def asked(policy: Any, index: int = 1) -> list[Query]:
    return questions(LIBERO, policy.spec, Point(), 0).call(index)


@pytest.mark.parametrize(("steps", "refresh", "passes"), [(24, 6, 4), (24, 24, 1), (5, 2, 3)])
@pytest.mark.parametrize("goal", [True, False])
def test_counted_flops_are_those_worked_out_on_paper(steps: int, refresh: int, passes: int, goal: bool) -> None:
    policy = make_shape(LIBERO, **SMALL, steps=steps, refresh=refresh, draws_goal=goal)
    queries = asked(policy)
    (sequence,) = policy.describe_cost(queries[0]).sequences
    length = sum(sequence.tokens.values())
    assert length == 1 + 18 + 128 + 18 * goal + 2 + 35  # task, picture, text and state, goal, actions
    assert sequence.passes == passes
    whole = count(torch, lambda: policy.rehearse(queries))
    encoding = count(torch, lambda: rehearse_encoding(policy._policy._model.quantizer, 1))  # type: ignore[attr-defined]
    head = 2 * 64 * (35 * BINS + 16 * CODES * goal)
    assert whole.products - encoding.products == passes * (2 * length * 2 * (4 * 64 * 64 + 3 * 64 * 96) + head)
    assert whole.attention - encoding.attention == passes * 2 * 4 * length * length * 64


def test_a_shown_goal_is_a_picture_to_decode() -> None:
    policy = make_shape(LIBERO, **SMALL)
    first, second = (count(torch, lambda: policy.rehearse(asked(policy, index))) for index in (0, 1))  # noqa: B023
    assert first.convolutions > second.convolutions


def test_sizes_of_a_shape_are_checked() -> None:
    with pytest.raises(UsageError, match="draws_goal must be true or false, got 1"):
        make_shape(LIBERO, draws_goal=1)  # type: ignore[arg-type]
