"""``live.json``: what a run says of itself, whichever engine runs it, and that nothing depends on it."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.derived.export import export
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.errors import MmactEvalError, RunAborted, Stopped
from mmact_eval.runs.files.live import Live, read_live, write_live
from mmact_eval.runs.files.live_status import LiveStatus
from mmact_eval.runs.runner import RunRequest, execute


class Counts:
    def __init__(self, done: int = 0) -> None:
        self.done = done
        self.advanced = 0


class AnEngine:
    """Says what it is told to."""

    def __init__(self, problem: MmactEvalError | None = None) -> None:
        self.problems: Sequence[MmactEvalError | None] = (problem,)
        self.reports: Sequence[EngineReport] = (EngineReport(batches=5, queries=20),)

    def run(self) -> None: ...


def live(folder: Path) -> Live:
    found = read_live(folder)
    assert found is not None
    return found


def test_it_is_replaced_while_the_engine_runs_and_says_how_it_ended(tmp_path: Path) -> None:
    counts, engine = Counts(2), AnEngine()
    with LiveStatus({tmp_path: (10, counts)}, engine, every=0.05):
        assert (live(tmp_path).state, live(tmp_path).done, live(tmp_path).planned) == ("running", 2, 10)
        counts.done, counts.advanced = 6, 4
        engine.reports = (EngineReport(batches=10, queries=60),)
        end = time.monotonic() + 20
        while live(tmp_path).done != 6:
            assert time.monotonic() < end
            time.sleep(0.02)
        now = live(tmp_path)
        assert (now.recent.episodes, now.recent.queries) == (4, 40)
        assert now.seconds_left is not None
        assert [one.kind for one in now.processes][:1] == ["driver"]
        counts.done = 10
    assert (live(tmp_path).state, live(tmp_path).seconds_left) == ("finished", 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["live.json"]
    assert "live status" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("problem", "raised", "state", "why"),
    [
        (None, None, "stopped", "the rest was not run"),
        (RunAborted("it hangs"), None, "failed", "it hangs"),
        (None, KeyboardInterrupt(), "stopped", "by Ctrl-C"),
        (None, Stopped(), "stopped", "by SIGTERM, as batch systems pre-empt"),
        (None, ValueError("odd"), "failed", "odd"),
    ],
)
def test_ends(
    tmp_path: Path, problem: MmactEvalError | None, raised: BaseException | None, state: str, why: str
) -> None:
    expected = contextlib.nullcontext() if raised is None else pytest.raises(type(raised))
    with expected, LiveStatus({tmp_path: (10, Counts())}, AnEngine(problem)):
        if raised is not None:
            raise raised
    assert (live(tmp_path).state, live(tmp_path).why) == (state, why)


def test_a_folder_that_vanishes_and_an_engine_that_says_nothing_disturb_nobody(tmp_path: Path) -> None:
    class Silent(AnEngine):
        @property
        def reports(self) -> Sequence[EngineReport]:
            raise RuntimeError("not now")

        @reports.setter
        def reports(self, value: object) -> None: ...

    folder = tmp_path / "run"
    folder.mkdir()
    with LiveStatus({folder: (10, Counts())}, Silent()) as status:
        assert live(folder).engine == {}
        shutil.rmtree(folder)
        status.write()
    assert not folder.exists()


def test_a_run_tells_and_what_is_done_needs_no_room(tmp_path: Path) -> None:
    suite = load_suite("toy")
    request = RunRequest(suite, "toy", episodes=2, out=tmp_path / "run", options=EngineOptions(workers=2))
    execute(request)
    told = live(tmp_path / "run")
    assert (told.state, told.done, told.planned, told.engine["queries"] > 0) == ("finished", 4, 4, True)
    (tmp_path / "run" / "live.json").unlink()
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    execute(request)
    assert not (tmp_path / "run" / "live.json").exists()
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == before


def test_it_is_not_exported(tmp_path: Path) -> None:
    execute(RunRequest(load_suite("toy"), "toy", episodes=1, out=tmp_path / "run"))
    assert (tmp_path / "run" / "live.json").exists()
    assert sorted(path.name for path in export(tmp_path / "run", tmp_path / "out")) == [
        "episodes.jsonl", "manifest.json", "sessions.jsonl",
    ]  # fmt: skip


def test_what_makes_no_sense_is_not_there(tmp_path: Path) -> None:
    assert read_live(tmp_path) is None
    for text in ("", "[]", "3", "{", "[" * 100_000):
        (tmp_path / "live.json").write_text(text)
        assert read_live(tmp_path) is None
    (tmp_path / "live.json").write_text(json.dumps({"state": "running", "done": "x", "processes": 7, "new": 1}))
    found = live(tmp_path)
    assert (found.state, found.done, found.processes) == ("running", None, [])
    write_live(tmp_path / "nowhere", found)
    assert not (tmp_path / "nowhere").exists()
