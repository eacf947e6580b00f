"""Runs, from what was asked to the results in their folders: one, or several over the same workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from mmact_eval import compat, registry
from mmact_eval.engine.local.engine import LocalEngine
from mmact_eval.errors import MmactEvalError, UsageError
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.observers.plan_reference import PlanReference
from mmact_eval.observers.video_encoder import require_encoder
from mmact_eval.optional import CoversEpisodes, PreparesRun
from mmact_eval.policy_output import plain_data
from mmact_eval.protocols import EnvPlugin, Policy
from mmact_eval.runs.episodes import plan_episodes, select_tasks, suite_tasks
from mmact_eval.runs.folder import RunFolder, read_episodes
from mmact_eval.runs.open_run import OpenRun, pending_episodes
from mmact_eval.runs.progress import Progress
from mmact_eval.runs.request import Extension, RunOutcome, RunRequest, default_folder
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.transforms import disturbance
from mmact_eval.types import Episode

__all__ = ["Extension", "RunOutcome", "RunRequest", "default_folder", "execute", "execute_together", "same_policy"]


def execute(request: RunRequest) -> RunOutcome:
    """Run what is not done yet and return all results.

    Raises:
        UsageError: something asked for does not exist or does not fit; nothing has run.
        RunFolderError: the run folder cannot be used.
        RunAborted: the run stopped early; what was done is on disk.
    """
    outcome = execute_together({"": request})[""]
    if isinstance(outcome, MmactEvalError):
        raise outcome
    return outcome


def execute_together(requests: Mapping[str, RunRequest]) -> dict[str, RunOutcome | MmactEvalError]:
    """Execute several runs over one pool of workers; each comes to what it would by itself.

    Args:
        requests: by a name for the display. Their suites have one environment plug-in; the engine's options are the
            first one's.

    Returns:
        The outcome of each, or why it has none; see `execute`. One that fails does not keep the others from running.
    """
    outcomes: dict[str, RunOutcome | MmactEvalError] = {}
    runs: dict[str, OpenRun] = {}
    with ExitStack() as held:
        policies = _Policies(held)
        arms = []
        for name, request in requests.items():
            try:
                runs[name], model = _open(request, policies, held)
                arms.append(runs[name].engine_arm(model))
            except MmactEvalError as error:
                runs.pop(name, None)
                outcomes[name] = error
        if runs:
            _run(runs, LocalEngine(arms, next(iter(requests.values())).options), outcomes)
    return {name: outcomes[name] for name in requests}


def _run(runs: Mapping[str, OpenRun], engine: LocalEngine, outcomes: dict[str, RunOutcome | MmactEvalError]) -> None:
    """Let the engine run its arms, which are these runs, and note what each came to."""
    with Progress({name: (len(run.planned), run.left_alone) for name, run in runs.items()}) as progress:
        for name, run in runs.items():
            run.progress = progress.of(name)
            if run.done_before:
                run.progress.say(run.done_before)
            for warning in run.warnings:
                run.progress.say(f"warning: {warning}")
        engine.run()
    for (name, run), problem, report in zip(runs.items(), engine.problems, engine.reports, strict=True):
        try:
            outcomes[name] = problem or run.outcome(report)
        except MmactEvalError as error:
            outcomes[name] = error


def same_policy(request: RunRequest) -> str:
    """What two runs agree in that one policy can serve both: its name and arguments, and all of the suite but what
    the policy does not hear of."""
    unheard = {"episodes", "max_steps", "episode_timeout", "disturbance"}
    suite = request.suite.model_dump(mode="json", exclude={"protocol": unheard})
    return json.dumps([request.policy, plain_data(dict(request.policy_args)), suite], sort_keys=True, default=repr)


class _Policies:
    """Policies by what was asked for, each made once, however many runs it serves."""

    def __init__(self, held: ExitStack) -> None:
        """`held`: closes them at its end."""
        self._held = held
        self._made: dict[str, MadePolicy | MmactEvalError] = {}

    def get(self, request: RunRequest, env_spec: EnvSpec) -> MadePolicy:
        """The policy of a request.

        Raises:
            UsageError: it cannot be made.
        """
        key = same_policy(request)
        if key not in self._made:
            try:
                new = registry.make_policy(request.policy, request.policy_args, env_spec)
                self._held.callback(registry.close_policy, new.policy)
                self._made[key] = new
            except MmactEvalError as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, MmactEvalError):
            raise made
        return made


def _open(request: RunRequest, policies: _Policies, held: ExitStack) -> tuple[OpenRun, Policy]:
    """Check everything and open the run folder, which `held` closes.

    Returns:
        The run, and its policy without the extension's wrapper.
    """
    suite = request.suite
    if request.video != "none":
        require_encoder("go on without --video: the same command with it makes the videos later")
    plugin = registry.env_plugin(suite.env)
    tasks = select_tasks(suite_tasks(plugin, suite), request.tasks)
    episodes = request.episodes or suite.protocol.episodes
    planned = list(request.chosen) or plan_episodes(suite, tasks, episodes, request.seed, request.init_states)
    env_spec = plugin.spec(suite)
    folder = (request.out or default_folder(request)).absolute()  # before a policy's code may change the working folder
    reference = PlanReference(request.plan_reference, env_spec) if request.plan_reference else None
    made = policies.get(request, env_spec)
    model = made.policy
    policy = request.extension.wrap(model)
    compat.check(env_spec, policy.spec)
    disturbance.check(suite, env_spec)
    covered = _covered(policy, suite, planned)
    facts = _prepare_run(plugin, request, covered, folder)
    with ExitStack() as opened:
        store = opened.enter_context(RunFolder(folder))
        if len(covered) < len(planned):
            note = f"the policy can act in {len(covered)} of the {len(planned)} episodes asked for"
            store.warnings.append(f"{note}; the others are left out")
        run = OpenRun(store, request, plugin, env_spec, made, policy, covered, facts, reference)
        held.enter_context(opened.pop_all())
    return run, model


def _covered(policy: Policy, suite: Suite, planned: list[Episode]) -> list[Episode]:
    """The planned episodes that the policy can act in.

    Raises:
        UsageError: there are none.
    """
    if not isinstance(policy, CoversEpisodes):
        return planned
    able = set(policy.covers(suite, planned))
    covered = [episode for episode in planned if episode in able]
    if not covered:
        raise UsageError(f"policy {policy.spec.name} can act in none of the {len(planned)} episodes asked for.")
    return covered


def _prepare_run(plugin: EnvPlugin, request: RunRequest, planned: Sequence[Episode], folder: Path) -> Mapping[str, str]:
    """Let an environment that wants to get ready do so for the episodes that are left."""
    if not isinstance(plugin, PreparesRun):
        return {}
    pending = pending_episodes(request, planned, read_episodes(folder)[0], folder)
    return plugin.prepare_run(
        request.suite, pending, request.options.workers, lambda text: print(text, file=sys.stderr, flush=True)
    )
