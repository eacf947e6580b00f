"""Limits count time in which a process could run, whatever the clocks do, and still find one that hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from multiprocessing.connection import Connection
from typing import Any

import pytest

from mmact_eval.engine.limits import standstill
from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.limits.standstill import Standstill
from mmact_eval.engine.limits.waiting import says_something
from mmact_eval.policies.remote.links.background import BackgroundLoop


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the monotonic clock is ahead: as after an hour's standstill."""
    ahead = [0.0]
    real = time.monotonic
    monkeypatch.setattr("mmact_eval.engine.limits.running_clock.time.monotonic", lambda: real() + ahead[0])
    return ahead


def test_a_clock_that_jumps_by_an_hour_does_not_make_anybody_late(jump: list[float]) -> None:
    before = running_seconds()
    jump[0] += 3600.0
    assert running_seconds() - before < 2.0


def test_what_a_loop_waits_for_is_not_late_after_a_standstill(jump: list[float]) -> None:
    loop = BackgroundLoop()

    async def answer() -> str:
        asyncio.get_running_loop().call_later(0.1, lambda: jump.__setitem__(0, 3600.0))
        await asyncio.sleep(1.0)
        return "here"

    async def waited_for() -> str:
        return await asyncio.wait_for(answer(), 5.0)

    async def hangs() -> None:
        await asyncio.wait_for(asyncio.sleep(60.0), 0.3)

    assert loop.run(waited_for()) == "here"
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        loop.run(hangs())
    loop.close()


def test_a_pipe_is_waited_for_as_long_as_this_process_runs(jump: list[float]) -> None:
    ours, theirs = socket.socketpair()
    pipe, other = Connection(ours.detach()), Connection(theirs.detach())
    poll = pipe.poll

    class Frozen:
        """The process is stopped while it waits for the first time."""

        def poll(self, seconds: float) -> bool:
            if not jump[0]:
                jump[0] = 3600.0
                return False
            other.send("late, by the clock on the wall")
            return poll(seconds)

    assert says_something(Frozen(), 5.0)  # type: ignore[arg-type]
    pipe.recv()
    start = time.monotonic()
    assert not says_something(pipe, 0.2)
    assert time.monotonic() - start >= 0.2


def test_a_process_that_is_stopped_is_told_from_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(standstill, "running_seconds", lambda: now[0])
    process = subprocess.Popen(["sleep", "60"])

    def stopped(number: int) -> Any:
        os.kill(process.pid, number)
        flags = os.WUNTRACED if number == signal.SIGSTOP else os.WCONTINUED
        return os.waitpid(process.pid, flags)

    try:
        watch = Standstill(process.pid)
        now[0] = 10.0
        assert watch.seconds() == 0.0  # it sleeps, as one that hangs
        stopped(signal.SIGSTOP)
        now[0] = 11.0
        assert watch.seconds() == 1.0
        stopped(signal.SIGCONT)
        now[0] = 20.0
        assert watch.seconds() == 1.0
        watch.begin()
        assert watch.seconds() == 0.0
    finally:
        process.kill()
        process.wait()
