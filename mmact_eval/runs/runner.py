"""Runs, from what was asked to the results in their folders: one, or several over the same workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import cast

from mmact_eval import compat, registry
from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.interface import Engine
from mmact_eval.engine.options import EngineOptions
from mmact_eval.engine.replicas.recipe import PolicyRecipe
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.machine.workers import fitting
from mmact_eval.observers.plan_reference import PlanReference
from mmact_eval.observers.video_encoder import require_encoder
from mmact_eval.optional import CoversEpisodes, FreesWeights, PreparesRun, TellsMemory
from mmact_eval.policy_output import plain_data
from mmact_eval.protocols import EnvPlugin, Policy
from mmact_eval.rollout import stages
from mmact_eval.runs.episodes import pending_episodes, plan_episodes, select_tasks, suite_tasks
from mmact_eval.runs.files.live_status import LiveStatus
from mmact_eval.runs.folder import RunFolder
from mmact_eval.runs.open_run import OpenRun
from mmact_eval.runs.progress import Progress
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.request import Extension, RunOutcome, RunRequest, default_folder
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.transforms import disturbance
from mmact_eval.types import Episode
from mmact_eval.wording import counted

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
        requests: by a name for the display. Their suites have one environment plug-in, and their engine options are
            the same.

    Returns:
        The outcome of each, or why it has none; see `execute`. One that fails does not keep the others from running.

    Raises:
        UsageError: the engine's options differ, or there is no such engine; nothing has run.
    """
    if not requests:
        return {}
    options, why = _with_workers(_shared_options(requests), requests)
    requests = {name: replace(request, options=options) for name, request in requests.items()}
    make_engine = registry.engine(options.engine)
    outcomes: dict[str, RunOutcome | MmactEvalError] = {}
    runs: dict[str, OpenRun] = {}
    with ExitStack() as held:
        policies = _Policies(held)
        arms: list[EngineArm] = []
        for name, request in requests.items():
            try:
                runs[name], model, recipe = _open(request, policies, held)
                arms.append(runs[name].engine_arm(model, recipe))
            except MmactEvalError as error:
                runs.pop(name, None)
                outcomes[name] = error
        if runs:
            _run(runs, make_engine(arms, options), outcomes, why, options.without_effect)
    return {name: outcomes[name] for name in requests}


def _shared_options(requests: Mapping[str, RunRequest]) -> EngineOptions:
    """The engine options of requests that share one engine.

    Raises:
        UsageError: they differ.
    """
    (first, *others) = requests.items()
    name, options = first[0], asdict(first[1].options)
    for other, request in others:
        asked = asdict(request.options)
        differing = [f"{key} ({value} and {asked[key]})" for key, value in options.items() if value != asked[key]]
        if differing:
            raise UsageError(
                f'runs that share an engine must ask for the same of it: "{name}" and "{other}" differ in '
                f"{', '.join(differing)}. Execute them one by one."
            )
    return first[1].options


def _with_workers(options: EngineOptions, requests: Mapping[str, RunRequest]) -> tuple[EngineOptions, str]:
    """The options with a number of workers, where this machine decides it, and a line that says which."""
    if options.workers or options.engine != EngineOptions.engine:
        return options, ""
    plugin = registry.env_plugin(next(iter(requests.values())).suite.env)
    each = plugin.worker_memory_gib(options.cached_envs) if isinstance(plugin, TellsMemory) else 0.0
    count, why = fitting(each)
    return replace(options, workers=count), f"{counted(count, 'worker')}: {why}"


def _run(
    runs: Mapping[str, OpenRun],
    engine: Engine,
    outcomes: dict[str, RunOutcome | MmactEvalError],
    said: str,
    warnings: Sequence[str],
) -> None:
    """Let the engine run its arms, which are these runs, and note what each came to; say and warn of what is of all."""
    shown = {name: (len(run.planned), run.left_alone) for name, run in runs.items()}
    with Progress(shown, bar=any(run.shows_progress for run in runs.values())) as progress:
        if said:
            progress.say(said)
        for warning in warnings:
            progress.say(f"warning: {warning}")
        for name, run in runs.items():
            run.progress = progress.of(name)
            if run.done_before:
                run.progress.say(run.done_before)
            for warning in run.warnings:
                run.progress.say(f"warning: {warning}")
        with LiveStatus({run.folder: run.counts for run in runs.values()}, engine):
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
    return json.dumps(
        [request.policy, id(request.live), plain_data(dict(request.policy_args)), suite], sort_keys=True, default=repr
    )


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
                self._made[key] = self._make(request, env_spec)
            except MmactEvalError as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, MmactEvalError):
            raise made
        return made

    def _make(self, request: RunRequest, env_spec: EnvSpec) -> MadePolicy:
        if request.live is not None and registry.is_policy(request.live):  # the caller's, and not closed
            return registry.adopt_policy(request.live, request.policy, request.identity)
        asked = request.policy if request.live is None else cast("Callable[..., Policy]", request.live)
        made = registry.make_policy(asked, request.policy_args, env_spec)
        self._held.callback(registry.close_policy, made.policy)
        return made


def _open(request: RunRequest, policies: _Policies, held: ExitStack) -> tuple[OpenRun, Policy, PolicyRecipe | None]:
    """Check everything and open the run folder, which `held` closes.

    Returns:
        The run, its policy without the extension's wrapper, and how replicas make the policy, if there are to be any.
    """
    suite = request.suite
    if request.video != "none":
        require_encoder("run without --video: the same command with it makes the videos later")
    plugin = registry.env_plugin(suite.env)
    tasks = select_tasks(suite_tasks(plugin, suite), request.tasks)
    planned = list(request.chosen) or plan_episodes(suite, tasks, request.episodes, request.seed, request.init_states)
    env_spec = plugin.spec(suite)
    stages.check(suite, env_spec)
    folder = (request.out or default_folder(request)).absolute()  # before a policy's code may change the working folder
    reference = PlanReference(request.plan_reference, env_spec) if request.plan_reference else None
    made = policies.get(request, env_spec)
    model = made.policy
    policy = request.extension.wrap(model)
    recipe = _recipe(request, env_spec, made, policy) if request.options.policy_replicas else None
    compat.check(env_spec, policy.spec)
    disturbance.check(suite, env_spec)
    covered = _covered(policy, suite, planned)
    whole, covered = covered, request.shard.of(covered) if request.shard else covered
    with ExitStack() as opened:
        store = opened.enter_context(RunFolder(folder))  # before the environment prepares, which may take minutes
        done = request.extension.kept(folder, read_episodes(folder)[0])
        pending = pending_episodes(request, covered, done, folder)
        facts = _prepare_run(plugin, request, pending)
        if len(whole) < len(planned):
            note = f"the policy can act in {len(whole)} of the {counted(len(planned), 'episode')} asked for"
            store.warnings.append(f"{note}; the others are left out")
        run = OpenRun(store, request, plugin, env_spec, made, policy, covered, pending, facts, whole, reference)
        held.enter_context(opened.pop_all())
    return run, model, recipe


def _recipe(request: RunRequest, env_spec: EnvSpec, made: MadePolicy, policy: Policy) -> PolicyRecipe:
    """How replicas make a policy; the one of this process answers nothing and need not hold its weights any more.

    Raises:
        UsageError: it cannot be made in another process.
    """
    if request.live is not None:
        raise UsageError(
            f"{request.policy} is an object of this process, which cannot have replicas in others. Name what makes it: "
            'policy="my_policy.py:make" with policy_args; or ask for no policy_replicas.'
        )
    args = request.policy_args
    recipe = PolicyRecipe.of(request.policy, args, env_spec, request.extension.wrap, made, policy)
    if isinstance(policy, FreesWeights):
        policy.free_weights()
    return recipe


def _covered(policy: Policy, suite: Suite, planned: list[Episode]) -> list[Episode]:
    """The planned episodes that the policy can act in.

    Raises:
        UsageError: there are none, or it cannot say.
    """
    if not isinstance(policy, CoversEpisodes):
        return planned
    try:
        able = set(policy.covers(suite, planned))
    except MmactEvalError:
        raise
    except Exception as error:
        text = f"policy {policy.spec.name}: `covers` raised {type(error).__name__}: {error}"
        raise UsageError(text) from error
    covered = [episode for episode in planned if episode in able]
    if not covered:
        asked = counted(len(planned), "episode")
        raise UsageError(f"policy {policy.spec.name} can act in none of the {asked} asked for.")
    return covered


def _prepare_run(plugin: EnvPlugin, request: RunRequest, pending: Sequence[Episode]) -> Mapping[str, str]:
    """Let an environment that wants to get ready do so for the episodes that are left."""
    if not isinstance(plugin, PreparesRun):
        return {}
    try:
        workers = request.options.workers_here
        return plugin.prepare_run(
            request.suite, pending, workers, lambda text: print(text, file=sys.stderr, flush=True)
        )
    except MmactEvalError:
        raise
    except Exception as error:
        text = f"environment {request.suite.env}: `prepare_run` raised {type(error).__name__}: {error}"
        raise RunAborted(f"{text}. Nothing has run.") from error
