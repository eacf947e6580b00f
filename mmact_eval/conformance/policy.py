"""Check a policy."""

from __future__ import annotations

from collections.abc import Sequence

from mmact_eval import registry
from mmact_eval.conformance import policy_promises
from mmact_eval.conformance.policy_under_test import PolicyUnderTest
from mmact_eval.conformance.questions import episodes_of, looked_at, made_up
from mmact_eval.conformance.report import Finding, Report
from mmact_eval.errors import UsageError
from mmact_eval.optional import CoversEpisodes
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

_NEEDS_SPEC = "what it states comes first"


def check_policy(
    policy: Policy,
    env_spec: EnvSpec | None = None,
    *,
    suite: Suite | None = None,
    task: str | None = None,
    episodes: int = 3,
    queries: int = 3,
    strict: bool = True,
) -> Report:
    """Try whether a policy keeps what `mmact_eval.protocols.Policy` promises; it is closed at the end.

    Args:
        policy: the policy.
        env_spec: of the environment that it is for; it is asked about noise of that shape. None for the suite's.
        suite: whose environment it is asked about; None for made-up observations, which have no ground truth.
        task: number or name of the suite's task; None for the first.
        episodes: how many episodes are under way at once, which is the size of a batch.
        queries: per episode.
        strict: whether to raise if a promise is broken.

    Returns:
        What was tried and what came of it.

    Raises:
        ConformanceError: a promise is broken, and `strict`; lists all that are.
        UsageError: there is neither a spec nor a suite, no such task, or the policy covers none of its episodes.
    """
    spec = env_spec or _spec_of(suite)
    planned = episodes_of(suite, task, episodes) if suite else []

    test = PolicyUnderTest(policy, spec)
    findings = [promise.tried_on(test) for promise in policy_promises.STATED]
    stated = not any(finding.status == "failed" for finding in findings)
    if stated and suite is not None:
        test.asked = looked_at(suite, _covered(policy, suite, planned), policy.spec, queries)
    elif stated and not policy.spec.privileged:
        test.asked = made_up(spec, episodes, queries)
    findings += [
        promise.tried_on(test) if stated else Finding(promise.name, "skipped", promise.promised, _NEEDS_SPEC)
        for promise in policy_promises.answered(suite.protocol.stages if suite else spec.stages)
    ]
    name = getattr(getattr(policy, "spec", None), "name", type(policy).__name__)
    report = Report(f"policy {name} on {suite.name if suite else spec.name}", tuple(findings))
    return report.require() if strict else report


def _covered(policy: Policy, suite: Suite, planned: Sequence[Episode]) -> Sequence[Episode]:
    covered = policy.covers(suite, planned) if isinstance(policy, CoversEpisodes) else planned
    if not covered:
        raise UsageError(f"policy {policy.spec.name} covers none of {', '.join(e.key for e in planned)}.")
    return covered


def _spec_of(suite: Suite | None) -> EnvSpec:
    if suite is None:
        raise UsageError("check_policy needs the spec of an environment, or a suite.")
    return registry.env_plugin(suite.env).spec(suite)
