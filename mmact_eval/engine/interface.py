"""What an engine is. One is found by its name in the group of entry points ``mmact_eval.engines``.

To write one, read this, `engine.arms` (what it is asked), `engine.dispatch` (what it need not do itself) and
`engine.job_runner` (what its workers do).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.errors import MmactEvalError


class Engine(Protocol):
    """Rolls the episodes of its arms out on workers of some kind, their queries answered by policies in this process,
    or by replicas of them (`engine.replicas`).

    Whatever the workers are, these hold:

    - An episode's result does not depend on the engine, nor on its options, the order of episodes or what ran before:
      everything that `EpisodeResult.reproducible` compares is the same, and so are its artifacts.
    - `EngineArm.on_result` is called once for each episode that comes to a result, after its artifacts have come to
      `EngineArm.folder`. It, `EngineArm.on_ready` and policies without replicas are called in the process and thread
      that call `run`.
    - A replica of a policy that is lost, or late, makes errors of the episodes that it had. If none works any more, the
      arms that it answered end with a `RunAborted` that says why.
    - An error is never a failure. An exception of the environment or policy, a worker that is lost (error kind
      ``crash``) and one that is late (``timeout``: `EngineArm.suite`'s ``episode_timeout``) make an episode an error,
      which is tried again `EngineOptions.retries` times, by a fresh worker if the environment or the worker broke, and
      recorded as an error after that. No other episode is lost by it.
    - A worker lost without an episode in its hands costs nothing but its replacement. If workers do not start at all,
      the arms that are not done end with a `RunAborted` that says why, or a `UsageError` if something is not installed.
    - An `MmactEvalError` of `on_result` or `on_ready`, a `RunAborted` of the policy (which hangs, or says that no retry
      would help) or of the error watch ends that arm alone, or all those that the same policy answers if it hangs. No
      result of theirs is told any more; the other arms go on.
    - An exception that is none of these, Ctrl-C (`KeyboardInterrupt`) and `errors.Stopped` above all, leaves `run` at
      once. Episodes under way are lost then, those told to `on_result` are not; no worker outlives `run`, nor this
      process if that is killed.

    `engine.dispatch.Dispatch` sees to all of it but for starting, watching and ending workers.
    """

    def run(self) -> None:
        """Run all arms to their ends, once; `problems` tells of those that ended early."""
        ...

    @property
    def problems(self) -> Sequence[MmactEvalError | None]:
        """Why each arm ended early, if it did: its policy hangs or breaks its contract, its results cannot be written,
        nothing ever goes well; or, for all that were not done, workers do not start."""
        ...

    @property
    def reports(self) -> Sequence[EngineReport]:
        """For each arm, what the engine can say about itself."""
        ...


class MakeEngine(Protocol):
    """What an entry point names."""

    def __call__(self, arms: Sequence[EngineArm], options: EngineOptions) -> Engine:
        """An engine that has not started anything yet.

        Args:
            arms: what to run, all in environments of one plug-in.
            options: how to run.
        """
        ...
