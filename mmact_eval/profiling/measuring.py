"""Time, memory and arithmetic of a policy's calls at one point."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mmact_eval.optional import DescribesCost, Rehearses
from mmact_eval.profiling.counting import count
from mmact_eval.profiling.made_up import Questions
from mmact_eval.profiling.memory import PeakMemory
from mmact_eval.profiling.modules import pytorch, weights_in
from mmact_eval.profiling.row import Row, Timing, Weights, Work
from mmact_eval.protocols import Policy
from mmact_eval.types import AnswerCost, Query

_ORDINARY = 1
"""The index of an ordinary query. The first one of an episode may take more: a plan is due."""


def measure(policy: Policy, asked: Questions, row: Row, calls: int, warm_up: int) -> Row:
    """The row with what can be measured and counted, and what cannot be known in words.

    Args:
        policy: what is asked.
        asked: the questions.
        row: what is known already.
        calls: that are timed, ≥ 1.
        warm_up: calls before.

    Raises:
        Exception: whatever the policy raises.
    """
    torch = pytorch()
    weights, cost = weights_in(policy), _described(policy, asked)
    unknown: list[str] = []
    weightless = weights is not None and weights.device == "meta"
    if weightless:
        unknown.append("time and memory: the policy has no weights")
    else:
        peak = PeakMemory(torch)
        row = replace(row, timing=_timed(policy, asked, calls, warm_up), memory=peak.now())
    if cost is None:
        unknown.append("tokens: the policy does not say them (mmact_eval.optional.DescribesCost)")
    if weights is None and cost is None:
        unknown.append("parameters: no PyTorch module was found in the policy")
    counted = _counted(policy, asked, weightless, unknown) if weights is not None else None
    if weights is None:
        unknown.append("FLOPs and bytes: only those of PyTorch modules in this process can be counted")
    work, first = counted or (None, None)
    return replace(
        row,
        weights=_combined(weights, cost),
        sequences=cost.sequences if cost else (),
        work=work,
        first_work=first if first != work else None,
        unknown=tuple(unknown),
    )


def _timed(policy: Policy, asked: Questions, calls: int, warm_up: int) -> Timing:
    policy.reset(asked.episodes)
    for index in range(warm_up):
        policy.act(asked.call(index))
    policy.reset(asked.episodes)
    wall, processor = [], []
    for index in range(calls):
        queries = asked.call(index)
        _finish()
        before, busy = time.perf_counter(), time.process_time()
        policy.act(queries)
        _finish()
        wall.append(1000.0 * (time.perf_counter() - before))
        processor.append(1000.0 * (time.process_time() - busy))
    p50, p95 = (float(value) for value in np.percentile(wall, [50, 95]))
    return Timing(calls, p50, p95, float(np.mean(wall)), float(np.mean(processor)))


def _finish() -> None:
    """Let GPUs finish what they were told."""
    torch = pytorch()
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _counted(
    policy: Policy, asked: Questions, weightless: bool, unknown: list[str]
) -> tuple[Work | None, Work | None] | None:
    """Of an ordinary call and of an episode's first one."""
    ask: Callable[[list[Query]], Any] = policy.act
    if weightless:
        if not isinstance(policy, Rehearses):
            unknown.append("FLOPs: the policy has no weights and no `rehearse` (mmact_eval.optional.Rehearses)")
            return None
        ask = policy.rehearse
    found = []
    for index in (_ORDINARY, 0):
        policy.reset(asked.episodes)
        queries = asked.call(index)
        try:
            work = count(pytorch(), functools.partial(ask, queries))
        except Exception as error:
            unknown.append(f"FLOPs: counting ended in {type(error).__name__}: {error}")
            return None
        if not work.flops:
            unknown.append("FLOPs: the modules that were found did nothing that is counted")
            return None
        found.append(work)
    return found[0], found[1]


def _described(policy: Policy, asked: Questions) -> AnswerCost | None:
    if not isinstance(policy, DescribesCost):
        return None
    policy.reset(asked.episodes)
    return policy.describe_cost(asked.call(_ORDINARY)[0])


def _combined(weights: Weights | None, cost: AnswerCost | None) -> Weights | None:
    """What the policy says of its parts, and what its modules say of bytes, types and device."""
    if cost is None or not cost.parameters:
        return weights
    total = sum(cost.parameters.values())
    if weights is None:
        return Weights(total, None, dict(cost.parameters), {}, "", "policy")
    return replace(weights, count=total, parts=dict(cost.parameters), found_by="policy")
