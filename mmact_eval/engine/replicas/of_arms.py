"""A pool of replicas for each model among an engine's arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmact_eval.engine.options import EngineOptions
from mmact_eval.engine.replicas.link import ReplicaArm, ReplicaPlan, Replicas
from mmact_eval.engine.replicas.pool import ReplicaPool
from mmact_eval.engine.running import RunningArm, policy_log
from mmact_eval.errors import MmactEvalError, UsageError


def pools_of(
    arms: Sequence[RunningArm],
    options: EngineOptions,
    replicas: Replicas,
    end: Callable[[int, MmactEvalError], None],
    shared_disk: bool,
) -> list[ReplicaPool]:
    """Make pools, and have them answer the arms: arms share replicas as they share their policy.

    Args:
        arms: whose policies' side is replaced.
        options: of the engine.
        replicas: how they are started.
        end: called with an arm's number and why it cannot go on.
        shared_disk: whether replicas can write into the arms' folders.

    Raises:
        UsageError: an arm's policy cannot be made elsewhere.
    """
    groups: list[list[RunningArm]] = []
    for arm in arms:
        group = next((group for group in groups if group[0].asked.same_model(arm.asked)), None)
        if group is None:
            groups.append([arm])
        else:
            group.append(arm)
    pools = []
    for group in groups:
        known = {arm.number: _as_known(arm, shared_disk) for arm in group}
        folder = group[0].asked.log_folder if shared_disk else ""
        plan = ReplicaPlan(known, options.max_batch, options.policy_timeout, folder)
        files = {arm.number: arm.asked.on_files for arm in group if arm.asked.on_files is not None}
        pools.append(ReplicaPool(plan, replicas, end, files))
        for arm in group:
            arm.batcher = pools[-1].arms[arm.number]
    return pools


def _as_known(arm: RunningArm, shared_disk: bool) -> ReplicaArm:
    if arm.asked.recipe is None:
        raise UsageError(
            f"policy {arm.asked.policy.spec.name} cannot have replicas: nothing says how another process could make it."
        )
    return ReplicaArm(arm.asked.recipe, policy_log(arm.asked) if shared_disk else "")
