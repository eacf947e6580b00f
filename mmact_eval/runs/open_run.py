"""A run whose folder is open: what is done of it, what is left, and where its results go."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.options import EngineReport
from mmact_eval.engine.replicas.recipe import PolicyRecipe
from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.observers import video
from mmact_eval.observers.artifacts import ObserverFactory, watching_alone
from mmact_eval.observers.disturbances import DisturbanceRecorder
from mmact_eval.observers.plan_reference import PlanReference
from mmact_eval.observers.transcript import TranscriptRecorder
from mmact_eval.optional import BringsObservers, NamesPermissions, RemarksOnResults, WeighsDifferences
from mmact_eval.protocols import EnvPlugin, Policy
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.earlier_starts import check_files_read, done_before, without_outputs
from mmact_eval.runs.episodes import suite_tasks
from mmact_eval.runs.folder import RunFolder, all_count
from mmact_eval.runs.manifest import Manifest
from mmact_eval.runs.missing_videos import SecondRollouts
from mmact_eval.runs.progress import ArmProgress
from mmact_eval.runs.reading import read_sessions
from mmact_eval.runs.request import RunOutcome, RunRequest
from mmact_eval.runs.session_notes import SessionNotes
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.wording import counted


class OpenRun:
    """A run between its preparation and its outcome.

    Attributes:
        planned: the episodes that it consists of.
        progress: told of each result; the runner sets it before the engine starts.
    """

    progress: ArmProgress

    def __init__(
        self,
        store: RunFolder,
        request: RunRequest,
        plugin: EnvPlugin,
        env_spec: EnvSpec,
        made: MadePolicy,
        policy: Policy,
        planned: Sequence[Episode],
        pending: Sequence[Episode],
        facts: Mapping[str, str],
        reference: PlanReference | None = None,
    ) -> None:
        """Open the folder for these episodes.

        Args:
            store: the folder, locked.
            request: what was asked for.
            plugin, env_spec: of its suite.
            made: the policy asked for.
            policy: which acts, as the request's extension wraps it.
            planned: those that the policy covers.
            pending: those of them that are left to do.
            facts: what else the results depend on, for the fingerprint.
            reference: what the policy's texts are compared with.

        Raises:
            RunFolderError: it holds another run, or cannot be used.
        """
        self.planned = planned
        self._store = store
        self._request = request
        self._policy = policy
        self._reference = reference
        suite = provenance.binding(request.suite, plugin.permissions if isinstance(plugin, NamesPermissions) else ())
        versions = {**plugin.versions(), **facts}
        asked = provenance.fingerprint(suite, policy.spec, made, request.seed, versions, env_spec.physics)
        asked = without_outputs({**asked, **request.extension.settings}, store.path)
        scope = {
            "tasks": list(dict.fromkeys(episode.task for episode in planned)),
            "tasks_in_suite": len(suite_tasks(plugin, request.suite)),
            "episodes_planned": len(planned),
        }
        manifest = Manifest.of(request.suite, env_spec, policy.spec, made, asked, **scope)
        weigh = policy.weigh if isinstance(policy, WeighsDifferences) else all_count
        self._manifest = store.open_manifest(manifest, weigh)
        found = store.open_episodes()
        self._done = request.extension.kept(store.path, found)
        self._pending = pending
        again = frozenset(episode for episode in pending if self._is_completed(episode))
        self._films = SecondRollouts(store.path, request.video, again)
        completed = any(result.outcome != "error" for result in found.values())
        earlier = read_sessions(store.path) if completed else []
        looks = bool(policy.spec.cameras or request.extension.cameras)
        one_renderer = looks and not request.options.allow_renderer
        self._notes = SessionNotes(store, made, request.options, scope, len(pending), earlier, one_renderer)
        if self.finished:
            check_files_read(store.path, made)

    @property
    def shows_progress(self) -> bool:
        """Whether a bar was asked for."""
        return self._request.progress

    @property
    def finished(self) -> list[EpisodeResult]:
        """The planned episodes that are done and need not be tried again."""
        return [self._done[episode] for episode in self.planned if self._is_completed(episode)]

    @property
    def left_alone(self) -> list[EpisodeResult]:
        """Of the finished ones those that are not rolled out again for their video."""
        return [result for result in self.finished if result.episode not in self._films.episodes]

    def _is_completed(self, episode: Episode) -> bool:
        return episode in self._done and self._done[episode].outcome != "error"

    @property
    def warnings(self) -> Sequence[str]:
        """What was wrong with the files found, in words."""
        return self._store.warnings

    @property
    def done_before(self) -> str:
        """How many episodes were done before this start, and by which command; "" if none was."""
        return done_before(self._store.path, len(self.finished), len(self.planned))

    def engine_arm(self, model: Policy, recipe: PolicyRecipe | None = None) -> EngineArm:
        """What the engine has to do.

        Args:
            model: the policy without the extension's wrapper.
            recipe: how replicas make the policy.
        """
        return EngineArm(
            suite=self._request.suite,
            policy=self._policy,
            episodes=self._pending,
            on_result=self._record,
            observers=self._observers(),
            watched=self._request.extension.cameras,
            watched_truth=self._reference is not None and self._reference.privileged,
            on_ready=self._worker_ready,
            folder=str(self._store.path.absolute()),
            log_folder=str(self._store.log_folder().absolute()),
            model=model,
            recipe=recipe,
            on_files=self._notes.hear_files,
        )

    def outcome(self, report: EngineReport) -> RunOutcome:
        """What the run came to.

        Args:
            report: the engine's.
        """
        store = self._store
        store.require_in_place()
        for task, left in report.given_up.items():
            untried = counted(left, "episode was", "episodes were")
            store.warnings.append(f"task {task} ended in errors again and again; {untried} not tried")
        for number, replica in report.replicas.items():
            if replica.given_up:
                store.warnings.append(f"the policy's replica {number} was given up: the last {replica.given_up}")
        if self._pending:
            with contextlib.suppress(RunFolderError):  # a full disk; the results are on it
                self._notes.end(report)
        results = [self._done[episode] for episode in self.planned if episode in self._done]
        missing, told = self._films.missing(results)
        if missing:
            store.warnings.append(told)
        remarks = tuple(self._policy.remarks(results)) if isinstance(self._policy, RemarksOnResults) else ()
        return RunOutcome(
            store.path, self._manifest, results, self.planned, report, tuple(store.warnings), remarks, missing
        )

    def _observers(self) -> list[ObserverFactory]:
        request = self._request
        observers: list[ObserverFactory] = [functools.partial(TranscriptRecorder, reference=self._reference)]
        observers += request.extension.observers
        if isinstance(self._policy, BringsObservers):
            observers += [functools.partial(watching_alone, make) for make in self._policy.observers]
        if request.suite.protocol.disturbance is not None:
            observers.append(DisturbanceRecorder)
        observers = self._films.spared(observers)
        if request.video != "none":
            stages = request.suite.protocol.stages
            observers.append(functools.partial(video.VideoRecorder, mode=request.video, stages=stages))
        return observers

    def _worker_ready(self, prepared: Mapping[str, str]) -> None:
        if self._notes.worker_ready(prepared) and self._films.episodes:
            self.progress.say(self._films.announced)

    def _record(self, result: EpisodeResult) -> bool:
        """Write a result down and say whether that is enough.

        Raises:
            RunAborted: it, or what it must have, could not be written.
        """
        if result.episode in self._films.episodes:
            self._record_video(result)
            return False
        self._store.require_in_place(result)
        extension = self._request.extension
        if extension.lacks_artifact(self._store.path, result):
            why = next((text for kind, text in result.artifacts.items() if kind.endswith("_error")), "it is missing")
            raise RunAborted(
                f"the {extension.artifact} of {result.episode.key} could not be written: {why}. Everything before "
                "it is safe; give the same command again to resume."
            )
        self._notes.files()
        self._store.append(result)
        self._done[result.episode] = result
        if result.outcome == "error" and result.error_kind != "contract":  # which ends the run, saying so itself
            self.progress.say(f"error in {result.episode.key}: {result.error}")
        for kind, text in result.artifacts.items():
            if kind.endswith("_error"):
                self.progress.say(f"warning: {result.episode.key}: no {kind.removesuffix('_error')}: {text}")
        self.progress.update(result)
        return extension.enough(result)

    def _record_video(self, again: EpisodeResult) -> None:
        """Add the video to the result of an episode that was rolled out again for it."""
        before = self._done[again.episode]
        kept, why = self._films.keep(before, again)
        if why:
            self.progress.say(f"warning: {again.episode.key}: no video: {why}")
        else:
            self._store.append(kept)
            self._done[again.episode] = kept
        self.progress.update(before)
