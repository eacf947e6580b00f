"""Check an environment plug-in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmact_eval.conformance import env_endings, env_promises, env_stages, plugin_promises
from mmact_eval.conformance.env_under_test import EnvUnderTest
from mmact_eval.conformance.report import Finding, Report
from mmact_eval.errors import UsageError
from mmact_eval.protocols import EnvPlugin
from mmact_eval.suite import Suite

_NEEDS_ANSWERS = "the plug-in's own answers come first"


def check_env_plugin(
    plugin: EnvPlugin,
    suite: Suite,
    *,
    task: str | None = None,
    episodes: int = 2,
    steps: int = 8,
    actions: NDArray[np.float32] | None = None,
    privileged: bool = True,
    gymnasium: bool = True,
    strict: bool = True,
) -> Report:
    """Try whether an environment plug-in keeps what `mmact_eval.protocols` promises.

    It makes four environments of a task, two at most at a time, and asks the plug-in in a fresh process too.

    Args:
        plugin: the plug-in object.
        suite: of it; smaller pictures and fewer settle steps make the check quicker.
        task: number or name of the suite's task; None for the first.
        episodes: how many init states are tried, from the first.
        steps: environment steps in each; a chunk is as long.
        actions: (T, D) float32 actions to try; None for small random ones around the middle of the action's range.
        privileged: whether ground truth is looked at, if there is any; making it may take long.
        gymnasium: whether to run Gymnasium's `check_env` on an environment that is a `gymnasium.Env`.
        strict: whether to raise if a promise is broken.

    Returns:
        What was tried and what came of it.

    Raises:
        ConformanceError: a promise is broken, and `strict`; lists all that are.
        UsageError: the plug-in refuses the suite, or it has no such task.
    """
    test = EnvUnderTest(plugin, suite, task, episodes, steps, actions, privileged)
    _require_task(test)
    findings = [promise.tried_on(test) for promise in plugin_promises.PROMISES]
    answers_well = not any(finding.status == "failed" for finding in findings)
    subject = f"environment {getattr(plugin, 'name', type(plugin).__name__)}, suite {suite.name}"
    if answers_well:
        subject += f", task {test.task.name}"
    try:
        of_stages = env_stages.PROMISES if suite.protocol.stages > 1 else ()
        for promise in (*env_promises.PROMISES, *of_stages, *env_endings.PROMISES):
            if not answers_well:
                finding = Finding(promise.name, "skipped", promise.promised, _NEEDS_ANSWERS)
            elif promise.name == "gymnasium" and not gymnasium:
                finding = Finding(promise.name, "skipped", promise.promised, "not asked for")
            else:
                finding = promise.tried_on(test)
            findings.append(finding)
    finally:
        test.close()
    report = Report(subject, tuple(findings))
    return report.require() if strict else report


def _require_task(test: EnvUnderTest) -> None:
    """Refuse a suite that makes no sense to the plug-in, or a task that it does not have.

    Raises:
        UsageError: says what is wrong.
    """
    try:
        _ = test.task
    except UsageError:
        raise
    except Exception:
        return  # a promise that is tried below
