"""Runs some of a run's episodes again, here, and says which come out as they did.

An episode's result depends on (suite, task, init state, seed, policy) alone, so a run's manifest and its episodes are
all that is needed to check its numbers on another machine. The run itself is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mmact_eval import registry
from mmact_eval.engine.options import EngineOptions
from mmact_eval.engine.scheduler import in_turns
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.protocols import Policy
from mmact_eval.recheck.then_and_now import ThenAndNow, then_and_now
from mmact_eval.runs.episodes import suite_tasks
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.runs.reading import Run, read_run
from mmact_eval.runs.request import Extension, RunRequest
from mmact_eval.runs.runner import execute
from mmact_eval.suite import Protocol, Suite
from mmact_eval.transforms import Transform, transformed
from mmact_eval.types import Episode, EpisodeResult, derive_seed
from mmact_eval.wording import counted

Verdict = Literal["equal to the bit", "equal in outcome", "different", "error now"]

_OTHER_COMMANDS = {"recording": "record", "probe": "probe"}
"""Parts of a fingerprint that say which command other than `run` made it, and with what around the policy."""


@dataclass(frozen=True)
class Pair:
    """An episode then and now.

    Attributes:
        then: its completed result in the run.
        now: its result here; None if there is none, as the task was given up or the policy cannot act in it.
    """

    then: EpisodeResult
    now: EpisodeResult | None

    @property
    def verdict(self) -> Verdict:
        """How equal the two are."""
        if self.now is None or self.now.outcome == "error":
            return "error now"
        if self.now.outcome != self.then.outcome:
            return "different"
        equal = bool(self.then.final_hash) and self.now.reproducible() == self.then.reproducible()
        return "equal to the bit" if equal else "equal in outcome"

    @property
    def scene_differs(self) -> bool:
        """Whether the two began in different scenes, as far as is known."""
        hashes = {self.then.scene_hash, self.now.scene_hash if self.now else ""} - {""}
        return len(hashes) > 1

    @property
    def detail(self) -> str:
        """What is not equal, in a few words; "" if everything is."""
        then, now = self.then, self.now
        if now is None:
            return "not run"
        if now.outcome == "error":
            return now.error
        found = ["scene"] if self.scene_differs else []
        found += [f"{name} {a} → {b}" for name in ("steps", "queries")
                  if (a := getattr(then, name)) != (b := getattr(now, name))]  # fmt: skip
        if then.stages != now.stages:
            a, b = then.stages_solved, now.stages_solved
            found.append(f"stages solved {a} → {b}" if a != b else "stages")
        found += [f"{name} {then.figures.get(name, 'absent')} → {now.figures.get(name, 'absent')}"
                  for name in _different_figures(then, now)]  # fmt: skip
        if not then.final_hash:
            found.append("no hash was recorded")
        elif then.final_hash != now.final_hash:
            found.append("final state")
        return ", ".join(found)


def _different_figures(then: EpisodeResult, now: EpisodeResult) -> list[str]:
    """The rollout's own figures that are not equal, those that only one has included."""
    before, here = dict(then.reproducible_figures()), dict(now.reproducible_figures())
    return sorted(name for name in before.keys() | here.keys() if before.get(name) != here.get(name))


@dataclass(frozen=True)
class Recheck:
    """What running some episodes again came to.

    Attributes:
        run: as it was.
        pairs: the episodes then and now, task by task.
        differs: between then and now.
        warnings: in words.
    """

    run: Run
    pairs: tuple[Pair, ...]
    differs: ThenAndNow
    warnings: Sequence[str] = ()

    def count(self, verdict: Verdict) -> int:
        """How many episodes have this verdict."""
        return sum(pair.verdict == verdict for pair in self.pairs)

    @property
    def exit_code(self) -> int:
        """0 if all are equal to the bit, or equal in outcome with the same policy; else 1.

        Another policy may have the same outcomes (all failures, say): that checks nothing.
        """
        if self.count("equal to the bit") == len(self.pairs):
            return 0
        return 1 if self.count("different") or self.count("error now") or self.differs.policy else 0


@dataclass(frozen=True)
class Elsewhere:
    """Where the policy is on this machine, if not where the manifest says.

    Attributes:
        policy: its target; None for the manifest's.
        args: arguments in place of the manifest's or beside them.
    """

    policy: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)


def draw(run: Run, sample: int, seed: int) -> list[EpisodeResult]:
    """Some of a run's completed episodes, spread over its tasks: the same for the same seed, whatever their order.

    Args:
        run: a run with results.
        sample: how many; all that there are, if there are fewer.
        seed: which.

    Raises:
        RunFolderError: no episode was completed.
    """
    completed = {result.episode: result for result in run.results if result.outcome != "error"}
    if not completed:
        raise RunFolderError(
            f"{run.folder} has no completed episode that could be run again: its episodes.jsonl is missing, or has "
            "nothing but errors. To publish a run with its episodes, use `mmact-eval export`."
        )
    mixed = sorted(completed, key=lambda episode: derive_seed("recheck", seed, episode.key))
    rounds = in_turns(mixed, 1)
    drawn = [episode for turn in rounds for episode in turn][:sample]
    return [completed[episode] for episode in sorted(drawn)]


def recheck(
    run_folder: Path,
    out: Path,
    sample: int,
    seed: int,
    options: EngineOptions,
    elsewhere: Elsewhere | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Recheck:
    """Run some of a run's episodes again and compare.

    Args:
        run_folder: the run, or what `mmact-eval export` wrote of it. It is not written to.
        out: the run folder of the repetition; one that is there is continued.
        sample, seed: see `draw`.
        options: how the engine works.
        elsewhere: where the policy is, if not where the manifest says.
        say: told what is going to be run.

    Raises:
        RunFolderError: `run_folder` is no run or has no episodes, or `out` cannot be used.
        UsageError: the run cannot be repeated here; says why.
        RunAborted: the repetition stopped early.
    """
    run = read_run(run_folder)
    if run_folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"--out {out} lies in the run that is to be checked; choose another folder.")
    then = draw(run, sample, seed)
    try:
        request = _request(run, [result.episode for result in then], elsewhere or Elsewhere())
        say(f"Running {len(then)} of {counted(len(run.results), 'episode')} of {run_folder} again.")
        outcome = execute(replace(request, out=out, options=options))
    except UsageError as error:
        raise UsageError(f"{run_folder} cannot be run again here: {error}") from error
    now = {result.episode: result for result in outcome.results}
    pairs = tuple(Pair(result, now.get(result.episode)) for result in then)
    return Recheck(run, pairs, then_and_now(run, read_run(out)), outcome.warnings)


def _request(run: Run, episodes: list[Episode], elsewhere: Elsewhere) -> RunRequest:
    """The request that these episodes were made by.

    Raises:
        RunFolderError: the manifest does not tell, or tells of what cannot be repeated.
        UsageError: the environment cannot be had here, or has not these episodes.
    """
    for part, command in _OTHER_COMMANDS.items():
        if (told := run.manifest.made_with.of_command(part)) is not None:
            raise RunFolderError(
                f"{run.folder} was made by `mmact-eval {command}`, with more around the policy than can be repeated "
                f"({part}: {told}). Runs of `run` and arms of `ablate` can be checked."
            )
    made_with, target = run.manifest.made_with, run.manifest.policy.target
    try:
        suite = run.manifest.suite_asked()
        transforms = [Transform.model_validate(entry) for entry in made_with.transforms]
        if not target:
            raise ValueError("policy.target is missing")
    except ValueError as error:  # pydantic's too
        raise RunFolderError(f"{run.folder}/manifest.json does not tell how to repeat the run: {error!r}.") from error
    _require(suite, episodes)
    if any(transform.replan is not None for transform in transforms):
        # The manifest has the number of actions that came of it; the transform wants to set it itself.
        suite = suite.model_copy(update={"protocol": suite.protocol.model_copy(update={"replan": None})})

    recorded = made_with if elsewhere == Elsewhere() else None
    return RunRequest(
        suite=suite,
        policy=elsewhere.policy or target,
        policy_args={**made_with.policy_args, **elsewhere.args},
        chosen=episodes,
        seed=made_with.seed or 0,
        extension=Extension(wrap=partial(_as_then, transforms=transforms, protocol=suite.protocol, recorded=recorded)),
    )


def _as_then(model: Policy, transforms: Sequence[Transform], protocol: Protocol, recorded: MadeWith | None) -> Policy:
    """The policy as the run had it; replicas of it are made by this, too.

    Raises:
        UsageError: it is not `recorded`.
    """
    made = transformed(model, transforms, protocol)
    if recorded is not None:
        _require_same(recorded, made)
    return made


def _require(suite: Suite, episodes: Sequence[Episode]) -> None:
    """Refuse episodes that the suite does not have here.

    Raises:
        UsageError: names one.
    """
    there = {task.name: task.init_states for task in suite_tasks(registry.env_plugin(suite.env), suite)}
    for episode in episodes:
        if episode.init_state >= there.get(episode.task, 0):
            raise UsageError(f"the suite {suite.name}, as it is installed here, has no episode {episode.key}.")


def _require_same(recorded: MadeWith, policy: Policy) -> None:
    """Refuse another policy than the recorded one before anything runs: it would say nothing about the run.

    Raises:
        UsageError: names both.
    """
    for key, then, now in (
        ("name", recorded.policy_name or "none", policy.spec.name or "none"),
        ("checkpoint", recorded.checkpoint or "none", policy.spec.checkpoint or "none"),
    ):
        if then != now:
            raise UsageError(
                f"its policy had the {key} {then}, and what --policy {recorded.policy_target} makes here has {now}. "
                "Where the right one is can be said with --policy and --policy-args."
            )
