"""What is told of a run folder, whatever it holds and whoever works on it."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.results.reporting import summarize_folder
from mmact_eval.runs.files.live import Live, LiveProcess, Worked, write_live
from mmact_eval.runs.files.lock import RunLock
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.runs.shard import Shard
from mmact_eval.view.runs.holder import holder
from mmact_eval.view.runs.run_watch import RunWatch
from mmact_eval.view.runs.state import Signs, judge


def toy_run(folder: Path, episodes: int = 3) -> Path:
    execute(RunRequest(load_suite("toy"), "toy", episodes=episodes, out=folder, progress=False))
    return folder


def told(watch: RunWatch) -> dict[str, object]:
    watch.look()
    watch.record()
    watch.look()
    return watch.record()


def test_a_finished_run_is_told_as_its_report_tells_it(tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "run")
    record, total = told(RunWatch(folder)), summarize_folder(folder).total
    assert (record["state"], record["done"], record["planned"]) == ("finished", 6, 6)
    assert (record["rate"], record["low"], record["high"]) == (total.rate, total.low, total.high)
    assert (record["suite"], record["policy"], record["engine"], record["workers"]) == ("toy", "toy", "local", 1)
    assert any("ground truth" in text for text in record["not_real"])  # type: ignore[attr-defined]
    assert json.loads(json.dumps(record)) == record


def test_a_part_of_a_run_says_which(tmp_path: Path) -> None:
    part = RunRequest(load_suite("toy"), "toy", episodes=3, out=tmp_path / "run", progress=False, shard=Shard(2, 3))
    execute(part)
    record = told(RunWatch(tmp_path / "run"))
    assert (record["part"], record["done"], record["planned"]) == ("2 of 3", 2, 2)
    assert told(RunWatch(toy_run(tmp_path / "whole")))["part"] == ""


def test_a_damaged_folder_says_why_in_a_line_and_recovers(tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "run")
    content = (folder / "manifest.json").read_text()
    watch = RunWatch(folder)
    for broken in ("", "[]", "{", '{"fingerprint": {}, "manifest_version": 99}', '{"fingerprint": {}, "env": 3}'):
        (folder / "manifest.json").write_text(broken)
        record = told(watch)
        assert record["state"] == "damaged", broken
        assert record["why"]
        assert "\n" not in str(record["why"])
    (folder / "manifest.json").unlink()
    assert "manifest.json" in str(told(watch)["why"])
    (folder / "manifest.json").write_text(content)
    assert told(watch)["state"] == "finished"


def test_pipes_and_folders_in_the_place_of_files_stop_nobody(tmp_path: Path) -> None:
    for name in ("manifest.json", "sessions.jsonl", "episodes.jsonl", "live.json", "run.lock"):
        folder = toy_run(tmp_path / f"run-{name}", 1)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        record = told(RunWatch(folder))
        assert (record["state"] == "damaged") == (name not in ("live.json", "run.lock"))


def test_what_may_not_be_read_is_said_and_told_once_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy_run(tmp_path / "run")

    def denied(*_: object) -> None:  # root, as whom tests may run, could read it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    watch = RunWatch(folder)
    with monkeypatch.context() as patch:
        patch.setattr("mmact_eval.view.runs.counts.open", denied, raising=False)
        record = told(watch)
        assert (record["state"], record["why"]) == ("damaged", "episodes cannot be read: Permission denied")
    assert told(watch)["state"] == "finished"


def test_a_contradiction_is_named(tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "run")
    first = (folder / "episodes.jsonl").read_text().splitlines()[0]
    with open(folder / "episodes.jsonl", "a") as stream:
        stream.write(first.replace('"success"', '"failure"') + "\n")
    assert told(RunWatch(folder))["state"] == "damaged"


def test_looking_never_keeps_a_run_from_its_folder(tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "run")
    watch = RunWatch(folder)
    assert holder(folder)[0] == "free"
    for _ in range(20):
        told(watch)
        lock = RunLock(folder)
        assert holder(folder) == ("held", os.getpid())
        told(watch)
        lock.release()
    assert holder(folder)[0] == "free"


def test_who_holds_a_folder_is_known_by_the_file_that_is_open(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text(f"process {os.getpid()} on {platform.node()} since 2026-01-01T00:00:00+00:00")
    assert holder(tmp_path)[0] == "free", "a number that another process has by now"
    (tmp_path / "run.lock").write_text("process 1 on somewhere-else since 2026-01-01T00:00:00+00:00")
    assert holder(tmp_path)[0] == "unknown"
    (tmp_path / "run.lock").write_text("process 99999999999999 on x")
    assert holder(tmp_path)[0] == "free"
    for number in (str(10**30), "9" * 5000, "0", "-5", "twelve"):
        (tmp_path / "run.lock").write_text(f"process {number} on {platform.node()} since 2026-01-01T00:00:00+00:00")
        assert holder(tmp_path) == ("free", None)


def test_a_run_that_goes_on_and_is_killed(tmp_path: Path) -> None:
    code = (
        "from mmact_eval.config.suite_file import load_suite\n"
        "from mmact_eval.runs.runner import RunRequest, execute\n"
        "from pathlib import Path; import sys\n"
        "suite = load_suite('toy', ['env_args.step_seconds=0.05'])\n"
        "execute(RunRequest(suite, 'random', episodes=40, out=Path(sys.argv[1])))\n"
    )
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.DEVNULL)
    try:
        watch = RunWatch(folder)
        end = time.monotonic() + 60
        while (record := told(watch))["state"] != "running" or not record.get("done"):
            assert time.monotonic() < end, record
            time.sleep(0.1)
        assert record["planned"] == 80
        kinds = [one["kind"] for one in record["now"]["processes"]]  # type: ignore[index]
        assert kinds == ["driver", "worker"]
        assert record["counting"] is False
    finally:
        process.kill()
        process.wait()
    end = time.monotonic() + 60
    while told(watch)["state"] != "killed":
        assert time.monotonic() < end
        time.sleep(0.2)


def test_what_a_run_says_of_itself_is_told_while_it_runs(tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "run")
    live = Live(
        state="running", host=platform.node(), pid=os.getpid(), planned=9, done=6, seconds_left=30.0,
        recent=Worked(seconds=60.0, episodes=6, queries=120),
        engine={"batches": 4, "queries": 12, "replicas": {"0": {}}},
        processes=[LiveProcess(kind="worker", memory_mib=100.0, load=0.5)] * 70,
    )  # fmt: skip
    write_live(folder, live)
    lock = RunLock(folder)
    record = told(RunWatch(folder))
    lock.release()
    now = record["now"]
    assert isinstance(now, dict)
    assert (record["state"], record["planned"]) == ("running", 9)
    assert (now["episodes_an_hour"], now["queries_a_second"], now["mean_batch"]) == (360.0, 2.0, 3.0)
    assert (now["replicas"], len(now["processes"]), now["more_processes"]) == (1, 64, 6)
    (folder / "live.json").write_text('{"state": 3, "recent": "x", "processes": [1], "engine": [], "planned": "many"}')
    assert told(RunWatch(folder))["state"] == "finished", "what makes no sense is not there"


LIVE = Live(state="running", pid=7)


@pytest.mark.parametrize(
    ("signs", "state"),
    [
        (Signs(LIVE, 2.0, "held", 7, 3, 9, 2.0), "running"),
        (Signs(LIVE, 2.0, "unknown", None, 3, 9, 2.0), "running"),
        (Signs(LIVE, 600.0, "held", 7, 3, 9, 2.0), "silent"),
        (Signs(LIVE, 600.0, "unknown", None, 3, 9, 600.0), "silent"),
        (Signs(LIVE, 600.0, "free", None, 3, 9, 600.0), "killed"),
        (Signs(LIVE, 600.0, "free", None, 9, 9, 600.0), "finished"),
        (Signs(LIVE, 600.0, "held", 8, 3, 9, 600.0), "starting"),
        (Signs(Live(state="stopped", pid=7), 5.0, "free", None, 3, 9, 5.0), "stopped"),
        (Signs(Live(state="failed", why="no GPU", pid=7), 5.0, "free", None, 3, 9, 5.0), "failed"),
        (Signs(Live(state="stopped", pid=7), 5.0, "held", 9, 3, 9, 5.0), "starting"),
        (Signs(None, 0.0, "held", 7, 0, None, None), "starting"),
        (Signs(None, 0.0, "held", 7, 3, 9, 5.0), "running"),
        (Signs(None, 0.0, "free", None, 9, 9, 5.0), "finished"),
        (Signs(None, 0.0, "free", None, 3, 9, 5.0), "incomplete"),
        (Signs(None, 0.0, "unknown", None, 3, 9, 5.0), "running"),
        (Signs(None, 0.0, "unknown", None, 3, None, 900.0), "incomplete"),
    ],
)
def test_states(signs: Signs, state: str) -> None:
    assert judge(signs)[0] == state
