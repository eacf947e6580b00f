"""Heavy checks on the real LIBERO: every suite runs, and our loop is upstream's in each main suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmact_eval import registry
from mmact_eval.config.suite_file import list_suites, load_suite
from mmact_eval.runs.episodes import suite_tasks
from mmact_eval.runs.runner import RunRequest, execute

pytestmark = [pytest.mark.libero, pytest.mark.slow]

LIBERO_SUITES = [suite.name for suite in list_suites() if suite.env == "libero"]


@pytest.mark.parametrize("name", LIBERO_SUITES)
def test_a_rollout_of_every_suite_ends_without_an_error(tmp_path: Path, name: str) -> None:
    suite = load_suite(name, ["protocol.max_steps=10"])
    outcome = execute(RunRequest(suite=suite, policy="random", policy_args={"cameras": "all"}, limit=1, out=tmp_path))
    (result,) = outcome.results
    assert result.outcome != "error", result.error
    assert result.queries == 2


@pytest.mark.parametrize("name", ["libero-spatial", "libero-object", "libero-goal", "libero-long"])
def test_the_last_task_equals_upstream_bit_for_bit(name: str) -> None:
    suite = load_suite(name)
    plugin = registry.env_plugin("libero")
    rows = list(plugin.verify(suite, suite_tasks(plugin, suite)[-1:], episodes=2, steps=20))  # type: ignore[attr-defined]
    assert len(rows) == 2
    assert all(row.equal for row in rows), [row.detail for row in rows]
