"""Success in the simulator, measured by the harness as for any policy."""

from __future__ import annotations

from pathlib import Path

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import MmactEvalError
from mmact_eval.evaluation import evaluate
from mmact_eval.policies.llada.training.settings import Rollouts
from mmact_eval.runs.episodes import plan_episodes, select_tasks, suite_tasks


def require_episodes(settings: Rollouts) -> None:
    """
    Raises:
        UsageError: something is to be run, and there is no such suite, or it has no such tasks or init states.
    """
    if settings.every or settings.last:
        suite = load_suite(settings.suite)
        tasks = select_tasks(suite_tasks(registry.env_plugin(suite.env), suite), settings.tasks)
        plan_episodes(suite, tasks, settings.episodes, 0, settings.init_states)


def measure(policy: str, settings: Rollouts, checkpoint: Path, out: Path) -> str:
    """Run a checkpoint and say in a line how many episodes succeeded.

    A run that fails is told and does not end the training.

    Args:
        policy: that runs such checkpoints.
        settings: what is run.
        checkpoint: as `export` writes it.
        out: the run folder.
    """
    try:
        results = evaluate(
            policy,
            settings.suite,
            tasks=settings.tasks,
            episodes=settings.episodes,
            init_states=settings.init_states,
            workers=settings.workers,
            policy_args={"checkpoint": str(checkpoint), "device": "auto"},
            out=out,
        ).episodes
    except MmactEvalError as error:
        return f"rollouts: {error}"
    successes = sum(result.outcome == "success" for result in results)
    errors = sum(result.outcome == "error" for result in results)
    return f"rollouts: {successes} of {len(results)} episodes succeeded, {errors} errors ({out})"
