"""`check_policy`: the baselines keep all promises, and each promise broken once is told by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import misbehaving_policies
import pytest

from mmact_eval.conformance import ConformanceError, check_policy
from mmact_eval.envs.toy import plugin
from mmact_eval.errors import UsageError
from mmact_eval.policies import noop, random, toy
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Protocol, Suite

SUITE = Suite(
    name="toy", env="toy", protocol=Protocol(max_steps=60, settle_steps=1, cameras=("top", "side"), resolution=32)
)
SPEC = plugin.spec(SUITE)


@pytest.mark.parametrize("make", [noop.make_policy, random.make_policy, toy.make_policy])
def test_the_baselines_keep_every_promise_where_they_act(make: Callable[[EnvSpec], Any]) -> None:
    report = check_policy(make(SPEC), suite=SUITE, task="hard")
    assert {finding.name for finding in report.findings if finding.status != "ok"} == {"close"}


def test_a_policy_that_looks_at_pictures_is_asked_about_noise() -> None:
    report = check_policy(random.make_policy(SPEC, cameras="all"), SPEC)
    assert report.finding("batches").status == "ok"


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [pytest.param(*case, id=f"{case[1]}-{i}") for i, case in enumerate(misbehaving_policies.BROKEN)],
)
def test_a_broken_promise_is_told_by_name_with_what_happened_and_how_to_mend_it(
    make: Callable[[EnvSpec], Any], name: str, told: str
) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_policy(make(SPEC), SPEC)
    report = caught.value.report
    finding = report.finding(name)
    assert finding.status == "failed", report.broken
    assert re.search(told, finding.happened), finding.happened
    for part in (name, finding.promised, finding.happened, finding.mend):
        assert part
        assert part in str(caught.value)


def test_every_promise_is_broken_once() -> None:
    tried = {finding.name for finding in check_policy(random.make_policy(SPEC), SPEC).findings}
    assert tried - {name for _, name, _ in misbehaving_policies.BROKEN} == {"observations"}, "which cannot be broken"


def test_a_network_that_rounds_differently_by_batch_is_noted_and_told_what_to_do() -> None:
    report = check_policy(misbehaving_policies.Rounds(SPEC), SPEC)
    assert report.finding("batches").status == "note"
    assert report.finding("batches").happened.startswith("rounds differently by batch (use --max-batch 1)")


def test_a_policy_may_work_on_its_observations_in_place() -> None:
    report = check_policy(misbehaving_policies.WorksInPlace(SPEC), SPEC)
    assert report.finding("observations").status == "note"


def test_a_policy_that_is_not_deterministic_is_not_held_to_it() -> None:
    policy = misbehaving_policies.OwnGenerator(SPEC)
    policy.spec = replace(policy.spec, deterministic=False)
    assert check_policy(policy, SPEC).finding("same question, same answer").status == "skipped"


def test_ground_truth_is_not_made_up() -> None:
    report = check_policy(misbehaving_policies.NeedsTruth(SPEC), SPEC)
    assert report.finding("answers").happened.endswith("cannot be made up: give a suite")
    assert check_policy(misbehaving_policies.NeedsTruth(SPEC), SPEC, suite=SUITE).finding("answers").status == "ok"


def test_one_of_spec_and_suite_is_needed() -> None:
    with pytest.raises(UsageError, match="needs the spec of an environment, or a suite"):
        check_policy(random.make_policy(SPEC))


def test_a_policy_of_a_users_file_is_looked_at_through_our_wrappers(tmp_path: Path) -> None:
    from mmact_eval import registry

    file = tmp_path / "mine.py"
    file.write_text(
        "from mmact_eval.policies.random import RandomPolicy, make_policy as make_random\n"
        "class Mine(RandomPolicy):\n"
        "    def remark(self, results): return []\n"
        "def make(env_spec): return Mine(make_random(env_spec).spec)\n"
    )
    made = registry.make_policy(f"{file}:make", {}, SPEC)
    found = check_policy(made.policy, SPEC, strict=False).finding("optional members")
    assert found.status == "failed"
    assert 'did you mean "remarks"' in found.happened
