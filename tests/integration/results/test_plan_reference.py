"""What a policy says is scored against what another would say there, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError
from mmact_eval.reports.html.page import render as as_html
from mmact_eval.reports.json import record
from mmact_eval.reports.markdown import render as as_markdown
from mmact_eval.results import reporting
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute

POLICIES = Path(__file__).parents[2] / "helpers" / "plan_policies.py"


def run(out: Path, reference: str | None) -> RunOutcome:
    return execute(
        RunRequest(
            suite=load_suite("toy", ["protocol.max_steps=32"]),
            policy=f"{POLICIES}:Speaker",
            plan_reference=reference,
            tasks="1",
            episodes=4,
            options=EngineOptions(workers=2),
            out=out,
        )
    )


def test_texts_are_compared_where_the_reference_has_an_answer(tmp_path: Path) -> None:
    judged = run(tmp_path / "judged", f"{POLICIES}:Knowing")
    plain = run(tmp_path / "plain", None)
    assert [r.reproducible() for r in judged.results] == [r.reproducible() for r in plain.results]
    assert reporting.summarize_folder(plain.folder).plans is None
    plans = reporting.summarize_folder(judged.folder).plans
    asked = {r.episode.init_state: (r.queries + 1) // 2 for r in judged.results}
    assert plans is not None
    assert plans.texts == sum(asked.values()) - asked[1]  # the reference failed there, which costs no episode
    assert 0 < plans.same < plans.texts
    report = reporting.read_report([judged.folder])
    sentence = f"Plans: {plans.same} of {plans.texts}"
    assert sentence in as_markdown(report)
    assert sentence in as_html(report, tmp_path)
    assert record(report)["suites"][0]["arms"][0]["plans"]["same"] == plans.same


def test_a_reference_that_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="looks through cameras"):
        run(tmp_path / "looking", f"{POLICIES}:Looking")
    with pytest.raises(UsageError, match="unknown policy"):
        run(tmp_path / "unknown", "exprt")
