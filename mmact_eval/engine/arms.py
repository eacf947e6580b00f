"""What an engine is asked to run: one arm, or several that share its workers.

An arm is a policy on a suite with its own results, log and end. Nothing that happens to one (errors, a policy that
hangs, a full disk) changes what another's episodes come to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mmact_eval.engine.replicas.recipe import PolicyRecipe
from mmact_eval.observers.artifacts import ObserverFactory
from mmact_eval.protocols import Needs, Policy
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult


@dataclass(frozen=True)
class EngineArm:
    """One policy on one suite.

    Attributes:
        suite: what is evaluated; its environment plug-in is loaded in the workers.
        policy: answers in this process.
        episodes: what is to be run.
        on_result: called once for each episode, as they finish; true says that no more have to be run. An
            `MmactEvalError` that it raises ends the arm.
        observers: picklable; each makes an observer for an episode, in the worker.
        watched: cameras that the observers look at; the policy sees its own alone.
        watched_truth: whether the observers look at the simulator's ground truth; the policy sees it only if it asks.
        on_ready: told of each worker what it chose (GL backend), when it is ready; may raise an `MmactEvalError` to
            end the arm.
        folder: the run folder, absolute, where artifacts are by the time `on_result` is called; "" if no observer
            makes any.
        log_folder: where the output of workers goes while they run this arm, and what is logged while its policy is
            called; "" to leave both alone.
        model: the policy that `policy` wraps, if it does; several arms may have the same.
        recipe: how other processes make `policy`, for `EngineOptions.policy_replicas`; None if they cannot.
        on_files: told which files a replica's policy has read and written since it was made, before results that may
            depend on them.
    """

    suite: Suite
    policy: Policy
    episodes: Sequence[Episode]
    on_result: Callable[[EpisodeResult], bool | None]
    observers: Sequence[ObserverFactory] = ()
    watched: Sequence[str] = ()
    watched_truth: bool = False
    on_ready: Callable[[Mapping[str, str]], None] | None = None
    folder: str = ""
    log_folder: str = ""
    model: Policy | None = None
    recipe: PolicyRecipe | None = None
    on_files: Callable[[Mapping[str, str], Mapping[str, Sequence[str]]], None] | None = None

    def same_model(self, other: EngineArm) -> bool:
        """Whether it is answered by the same policy in the end."""
        return (self.model or self.policy) is (other.model or other.policy)

    @property
    def needs(self) -> Needs:
        """What of the environment is looked at."""
        spec = self.policy.spec
        return Needs(tuple(dict.fromkeys((*spec.cameras, *self.watched))), spec.privileged or self.watched_truth)
