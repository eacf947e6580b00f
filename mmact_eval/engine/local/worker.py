"""A worker process: runs the jobs that come over a pipe, and asks the engine's policy over it.

It runs whole chunks by itself; the engine hears of it once a query. When the engine is gone (end of file on the
pipe, or the kernel's parent-death signal), the worker ends too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.job_runner import JobRunner
from mmact_eval.engine.local.messages import Ask, Building, Done, Failed, Ready, Run, Stop, WorkerConfig
from mmact_eval.engine.local.process import connected
from mmact_eval.errors import MmactEvalError, UsageError
from mmact_eval.observers.artifacts import CarriedArtifacts
from mmact_eval.types import Episode, PolicyOutput, Query

log = logging.getLogger(__name__)


class PolicyProxy:
    """The engine's policy, as seen from a worker: sends a query, waits for the answer."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing to do here: the engine resets the policy before it hands out the episode, and for a query that begins
        a stage (`Query.new_stage`)."""

    def act(self, queries: Sequence[Query]) -> Sequence[PolicyOutput]:
        """Ask the engine, one query at a time.

        Raises:
            PolicyContractError, PolicyFailure: the policy broke its contract or raised.
            EOFError: the engine is gone.
        """
        outputs = []
        for query in queries:
            self._pipe.send(Ask(query, time.monotonic()))
            answer = self._pipe.recv()
            assert isinstance(answer, Answer), answer
            outputs.append(answer.opened())
        return outputs


def main(pipe: Connection) -> None:
    """The process's main function; the first message is its configuration."""
    config: WorkerConfig = pipe.recv()
    try:
        runner = JobRunner(config.plan, config.number, lambda under_way: pipe.send(Building(under_way)))
    except MmactEvalError as error:
        pipe.send(Failed(str(error), usage=isinstance(error, UsageError)))
        return
    except Exception as error:
        log.exception("the worker cannot start")
        pipe.send(Failed(f"a worker cannot start: {type(error).__name__}: {error}", usage=False))
        return
    try:
        pipe.send(Ready(runner.prepared))
        _serve(pipe, config, runner)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.info("the engine is gone")
    finally:
        runner.close()


def _serve(pipe: Connection, config: WorkerConfig, runner: JobRunner) -> None:
    policy = PolicyProxy(pipe)
    logs_to = config.log_file()
    while True:
        message = pipe.recv()
        if isinstance(message, Stop):
            return
        assert isinstance(message, Run), message
        job = message.job
        if config.log_file(job.arm) != logs_to:
            logs_to = config.log_file(job.arm)
            _print_to(logs_to)
        if config.plan.arms[job.arm].folder:
            result, parcel = runner.run(job, policy), None
        else:
            with CarriedArtifacts() as artifacts:
                result, parcel = runner.run(job, policy, artifacts), artifacts.packed()
        pipe.send(Done(result, runner.peak_memory_mib(), runner.places, parcel))


def _print_to(file: str) -> None:
    """Send what the process prints to a file, C libraries included; where that cannot be opened, nothing changes."""
    sys.stdout.flush()
    with contextlib.suppress(OSError), open(file, "ab") as log_file:
        os.dup2(log_file.fileno(), 1)
        os.dup2(log_file.fileno(), 2)


def start() -> None:
    """What a fresh interpreter is told to do."""
    main(connected())
