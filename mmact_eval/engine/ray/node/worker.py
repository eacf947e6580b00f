"""A worker on a node: a process like the local engine's, started, watched and ended by an actor beside it.

So a simulator has a fresh interpreter with its own main thread, whatever Ray does in the actor; how it died is known;
and what it prints is caught from the first line on.
"""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import pickle
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from mmact_eval.engine.jobs import Assignment
from mmact_eval.engine.local.handle import WorkerHandle
from mmact_eval.engine.local.messages import Ask, Building, Done, Failed, Ready, WorkerConfig
from mmact_eval.engine.ray.messages import Alive, Begin, Lost, Report, Told, Unfit
from mmact_eval.engine.ray.node.fitness import differences, made_of
from mmact_eval.engine.ray.node.leftovers import own_folder
from mmact_eval.engine.ray.node.printed import Printed
from mmact_eval.errors import MmactEvalError

_LOOK = 0.5
"""Seconds between two looks at the clock while the worker is busy."""

_OF_RAY = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONBREAKPOINT")
"""What Ray sets in an actor's environment: a simulator must find what it would without Ray."""


class NodeWorker:
    """The node's end of a worker. `begin` and `exchange` are called by one thread at a time, `stop` by any."""

    def __init__(self) -> None:
        self._folder = own_folder()
        self._printed = Printed()
        self._handle: WorkerHandle | None = None
        self._stopping = threading.Event()
        self._at_work = threading.Lock()

    def begin(self, sent: bytes) -> bytes:
        """Start the worker's process; a pickled `Report` once that is ready, or cannot be."""
        with self._at_work:
            asked: Begin = pickle.loads(sent)
            with contextlib.suppress(OSError):
                os.chdir(asked.folder)
            problems = _unlike(asked)
            if problems:
                return self._report(Unfit(problems))
            _as_ray_was_started()
            os.environ["TMPDIR"] = str(self._folder)
            tempfile.tempdir = None
            try:
                self._start(asked)
            except OSError as error:
                why = f"cannot start a worker process: {error.strerror}"
                return self._report(Failed(why, usage=False))
            return self._report(self._heard())

    def exchange(self, sent: bytes) -> bytes:
        """Tell the worker's process something and wait for what it says, or for its end; a pickled `Report`."""
        with self._at_work:
            told: Told = pickle.loads(sent)
            assert self._handle is not None
            if told is None:
                return self._report(self._end() if self._has_died() else Alive())
            try:
                if isinstance(told, Assignment):
                    self._handle.start_episode(told)
                else:
                    self._handle.send(told)
            except OSError:
                return self._report(self._end())
            return self._report(self._heard())

    def stop(self) -> None:
        """End the worker's process; one that has nothing to do may close its environments before."""
        self._stopping.set()
        with self._at_work:
            if self._handle is not None:
                if self._handle.assignment is None:
                    self._handle.ask_to_stop()
                self._handle.join(10 if self._handle.assignment is None else 0)
            self._handle = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, asked: Begin) -> None:
        logs = Path(tempfile.mkdtemp(dir=self._folder))
        plan = replace(asked.plan, arms=tuple(replace(arm, log_folder=str(logs)) for arm in asked.plan.arms))
        config = WorkerConfig(asked.number, plan)
        with self._printed.of(Path(config.log_file())):
            self._handle = WorkerHandle(config)

    def _heard(self) -> Ready | Ask | Done | Failed | Lost:
        """What the worker's process says next, or that it is over with it."""
        worker = self._handle
        assert worker is not None
        while not self._stopping.is_set():
            if multiprocessing.connection.wait([worker.pipe], _LOOK):
                try:
                    message = worker.pipe.recv()
                except (EOFError, OSError):
                    return self._end()
                if isinstance(message, Building):
                    worker.mark_building(message.under_way)
                    continue
                if isinstance(message, Ask):
                    worker.mark_waiting(message.sent_at)
                elif isinstance(message, Done):
                    worker.assignment = None
                elif isinstance(message, Ready):
                    worker.ready = True
                    worker.mark_building(False)
                assert isinstance(message, Ask | Done | Ready | Failed), message
                return message
            late = worker.overdue()
            if late:
                worker.kill()
                return Lost("timeout", late)
        return Lost("crash", "the worker was stopped")

    def _has_died(self) -> bool:
        """Whether the process of a worker that has nothing to do is gone: its pipe has an end of file."""
        assert self._handle is not None
        return self._handle.pipe.closed or self._handle.pipe.poll(0)

    def _end(self) -> Lost:
        assert self._handle is not None
        return Lost("crash", f"the worker process {self._handle.kill()}")

    def _report(self, message: Ready | Ask | Done | Failed | Unfit | Lost | Alive) -> bytes:
        return pickle.dumps(Report(message, self._printed.new()), protocol=pickle.HIGHEST_PROTOCOL)


def _unlike(asked: Begin) -> list[str]:
    """In what this node differs from the engine's machine, or what it lacks."""
    try:
        return differences(asked.made_of, made_of(world.suite for world in asked.plan.worlds))
    except MmactEvalError as error:
        return [str(error)]
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def _as_ray_was_started() -> None:
    """Undo what Ray did to this process's environment alone. Ray hides the GPUs from an actor that asks for none, and a
    simulator renders on them."""
    try:
        was = Path("/proc", os.environ["RAY_RAYLET_PID"], "environ").read_bytes()
    except (KeyError, OSError):
        return
    before = dict(entry.split("=", 1) for entry in os.fsdecode(was).split("\0") if "=" in entry)
    for name in _OF_RAY:
        os.environ.pop(name, None)
        if name in before:
            os.environ[name] = before[name]


def make() -> NodeWorker:
    """What `engine.ray.node.shell` asks for."""
    return NodeWorker()
