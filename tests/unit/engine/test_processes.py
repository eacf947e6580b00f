"""What the engine hears of its processes while it is busy, and when they end."""

from __future__ import annotations

import os
import queue
import signal
import time
from pathlib import Path

import pytest

from mmact_eval.engine.local.inbox import Inbox
from mmact_eval.engine.local.process import FreshProcess, Gone

_SAYS = """
import os, subprocess, sys
from pathlib import Path

from mmact_eval.engine.local.process import connected

def start():
    pipe = connected()
    pipe.send(b"x" * 8_000_000)
    Path(__file__).with_name("said").touch()
    if "child" in __file__:
        os.set_inheritable(pipe.fileno(), True)
        child = subprocess.Popen(["sleep", "60"], pass_fds=[pipe.fileno()], stdout=subprocess.DEVNULL)
        pipe.send(child.pid)
        pipe.recv()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return tmp_path


def _process(folder: Path, module: str) -> FreshProcess:
    (folder / f"{module}.py").write_text(_SAYS)
    return FreshProcess(module, "")


def test_who_says_more_than_a_pipe_holds_need_not_wait_until_somebody_listens(folder: Path) -> None:
    process = _process(folder, "speaks")
    heard: queue.SimpleQueue[object] = queue.SimpleQueue()
    process.listen(heard.put)
    deadline = time.monotonic() + 60
    while not (folder / "said").exists():  # nobody has taken anything from the queue
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert heard.get(timeout=10) == b"x" * 8_000_000
    assert isinstance(heard.get(timeout=10), Gone)
    process.end()
    process.close()


def test_a_process_is_ended_though_a_child_of_its_own_holds_the_pipe(folder: Path) -> None:

    process = _process(folder, "child")
    heard: queue.SimpleQueue[object] = queue.SimpleQueue()
    process.listen(heard.put)
    heard.get(timeout=60)
    child = heard.get(timeout=10)
    assert isinstance(child, int)
    try:
        process.end()
        process.close()
        assert isinstance(heard.get(timeout=10), Gone)
    finally:
        os.kill(child, signal.SIGKILL)


def test_an_inbox_gives_what_was_said_in_order_and_once() -> None:
    inbox, first, second = Inbox(), object(), object()
    for number, speaker in enumerate((first, second, first)):
        inbox.put(speaker, number)
    assert inbox.has_of(second)
    assert inbox.taken(0) == [(first, 0), (second, 1), (first, 2)]
    assert not inbox.has_of(first)
    assert inbox.taken(0.01) == []
