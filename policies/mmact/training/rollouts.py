"""Success in the simulator, measured by the harness as for any policy."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import MmactEvalError
from mmact_eval.policies.mmact.training.settings import Rollouts
from mmact_eval.runs.runner import RunRequest, execute


def measure(settings: Rollouts, checkpoint: Path, out: Path) -> str:
    """Run a checkpoint and say in a line how many episodes succeeded.

    A run that fails is told and does not end the training.

    Args:
        settings: what is run.
        checkpoint: as `export` writes it.
        out: the run folder.
    """
    request = RunRequest(
        suite=load_suite(settings.suite, ()),
        policy="mmact",
        policy_args={"checkpoint": str(checkpoint), "device": "auto"},
        tasks=settings.tasks,
        episodes=settings.episodes,
        init_states=settings.init_states,
        options=EngineOptions(workers=settings.workers),
        out=out,
    )
    try:
        results = execute(request).results
    except MmactEvalError as error:
        return f"rollouts: {error}"
    successes = sum(result.outcome == "success" for result in results)
    errors = sum(result.outcome == "error" for result in results)
    return f"rollouts: {successes} of {len(results)} episodes succeeded, {errors} errors ({out})"
