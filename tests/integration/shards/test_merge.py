"""Parts of a run put together are the run: the same reports, byte for byte but for times, and nothing else."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.runs.files.lock import RunLock
from mmact_eval.runs.reading import read_run

FORMATS = "csv,markdown,html,json,latex,eval_info"
Mmact = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merge")


@pytest.fixture(scope="module")
def mmact(place: Path) -> Mmact:
    """The command line, in a folder of its own, so that paths as typed are the same for all."""

    def call(*words: str, code: int = 0, cwd: Path = place) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mmact_eval", *words]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return call


def run(out: str, *options: str, policy: str = "random") -> list[str]:
    return ["run", "--suite", "toy", "--policy", policy, "--episodes", "5", "--set", "protocol.max_steps=12",
            "--out", out, "--format", "none", *options]  # fmt: skip


@pytest.fixture(scope="module")
def parts(place: Path, mmact: Mmact) -> Path:
    """A run in three parts, one of them on two workers."""
    for index in range(3):
        mmact(*run("out", "--video", "all", "--shard", f"{index}/3"))
    return place / "out"


@pytest.fixture(scope="module")
def merged(place: Path, parts: Path, mmact: Mmact) -> Path:
    said = mmact("merge", "out", "--out", "merged").stdout
    assert said.splitlines() == [
        "Merged into merged: 10 episodes of 3 runs.",
        "Tables and reports: mmact-eval report merged --format markdown,html",
    ]
    return place / "merged"


@pytest.fixture(scope="module")
def undivided(place: Path, mmact: Mmact) -> Path:
    (place / "undivided").mkdir()
    mmact(*run("out", "--video", "all"), cwd=place / "undivided")
    return place / "undivided" / "out"


def without_times(run_folder: Path, copy: Path) -> Path:
    """A copy of a run with the times, dates and memory of another machine: the same for all."""
    copy.mkdir(parents=True)
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "created": "2026-01-01T00:00:00"}))
    for name in ("episodes", "sessions"):
        lines = (json.loads(line) for line in (run_folder / f"{name}.jsonl").read_text().splitlines())
        (copy / f"{name}.jsonl").write_text("".join(json.dumps(_timeless(line)) + "\n" for line in lines))
    for kind in ("videos", "plans"):
        if (run_folder / kind).exists():
            (copy / kind).symlink_to(run_folder / kind)
    return copy


def _timeless(line: dict[str, Any]) -> dict[str, Any]:
    times: dict[str, Any] = {"seconds": 1.0, "env_seconds": 0.5, "wait_seconds": 0.25, "time": "2026-01-01T00:00:00"}
    if "latencies" in line:
        times["latencies"] = [0.001 * (line["init_state"] + 1)] * len(line["latencies"])
    if "used" in line:
        times["used"] = {"peak_memory_mib": {"0": 100.0}}
    return {key: times.get(key, value) for key, value in line.items()}


def reports(place: Path, folder: Path, mmact: Mmact) -> dict[str, bytes]:
    made = place / "run"
    if made.is_symlink():
        made.unlink()
    made.symlink_to(folder)
    out = folder.parent / f"{folder.name}-report"
    mmact("report", "run", "--format", FORMATS, "--out", str(out), cwd=place)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def test_reports_of_merged_parts_are_those_of_an_undivided_run(
    place: Path, merged: Path, undivided: Path, mmact: Mmact
) -> None:
    both = [without_times(folder, place / "timeless" / name) for folder, name in ((merged, "a"), (undivided, "b"))]
    first, second = (reports(place, folder, mmact) for folder in both)
    assert first.keys() == second.keys()
    assert len(first) >= 7, first.keys()
    for name, content in first.items():
        assert content == second[name], name


def test_compare_says_of_both_the_same(place: Path, merged: Path, undivided: Path, mmact: Mmact) -> None:
    assert "All 10 pairs of rollouts ended in the same" in mmact("compare", str(merged), str(undivided)).stdout
    mmact(*run("noop", policy="noop"))
    said = [mmact("compare", f"a={folder}", "b=noop", code=2).stdout for folder in (merged, undivided)]
    assert said[0] == said[1]


def test_videos_and_logs_come_along_and_the_parts_stay_as_they_are(parts: Path, merged: Path) -> None:
    results = read_run(merged).results
    assert len(results) == 10
    assert all((merged / result.artifacts["video"]).is_file() for result in results)
    assert sorted(path.name for path in (merged / "logs").iterdir()) == [f"shard-{k}-of-3" for k in range(3)]
    for index in range(3):
        part = parts / f"shard-{index}-of-3"
        assert json.loads((part / "manifest.json").read_text())["shard"] == {"index": index, "count": 3}
        assert len(read_run(part).results) in (3, 4)


def test_machines_and_times_of_all_parts_are_told(merged: Path) -> None:
    sessions = read_run(merged).sessions
    assert [session.event for session in sessions] == ["start", "end"] * 3 + ["merge"]
    assert all(session.machine.host for session in sessions if session.event == "start")
    starts = [session.command for session in sessions if session.event == "start"]
    assert [command[command.index("--shard") + 1] for command in starts] == ["0/3", "1/3", "2/3"]


def test_the_run_s_command_finds_a_merged_run_done(place: Path, merged: Path, mmact: Mmact) -> None:
    before = (merged / "episodes.jsonl").read_bytes()
    said = mmact(*run("merged", "--video", "all"))
    assert "10 of 10 episodes were done before" in said.stderr
    assert (merged / "episodes.jsonl").read_bytes() == before


def test_a_part_says_that_it_is_one_in_every_format(place: Path, parts: Path, mmact: Mmact) -> None:
    mmact("report", str(parts / "shard-1-of-3"), "--format", FORMATS, "--out", "part-report")
    made = place / "part-report"
    for name in ("report.csv", "report.md", "report.html", "report.json", "report.tex", "eval_info.json"):
        assert "part 1 of 3" in (made / name).read_text(), name


def test_a_folder_holds_one_part_and_the_same_command_finds_it_done(place: Path, parts: Path, mmact: Mmact) -> None:
    said = mmact(*run("out", "--video", "all", "--shard", "1/3"))
    assert "3 of 3 episodes were done before" in said.stderr
    moved = place / "elsewhere" / "shard-0-of-3"
    moved.parent.mkdir()
    os.symlink(parts / "shard-1-of-3", moved)
    refused = mmact(*run("elsewhere", "--shard", "0/3"), code=2).stderr
    assert "holds part 1 of 3 of a run, and part 0 of 3 is asked for" in refused
    refused = mmact(*run("out/shard-1-of-3"), code=2).stderr
    assert "holds part 1 of 3 of a run, and the whole is asked for" in refused


def test_a_missing_part_is_named_and_the_run_s_command_does_it(
    place: Path, parts: Path, undivided: Path, mmact: Mmact
) -> None:
    two = [str(parts / f"shard-{index}-of-3") for index in (2, 0)]
    refused = mmact("merge", *two, "--out", "two-thirds", code=2).stderr
    assert "missing: part 1 of 3 (3 episodes)" in refused
    assert not (place / "two-thirds").exists()
    done = mmact("merge", *two, "--out", "two-thirds", "--allow-missing")
    command = done.stdout.splitlines()[-1].partition(": ")[2].split()
    assert command[:2] == ["python", "-m"] or command[0] == "mmact-eval"
    mmact(*command[command.index("run") :])
    there, now = read_run(undivided).results, read_run(place / "two-thirds").results
    assert [a.reproducible() for a in there] == [b.reproducible() for b in now]


def test_missing_episodes_are_named_one_by_one(place: Path, parts: Path, mmact: Mmact) -> None:
    for index in range(2):
        mmact(*run("begun", "--shard", f"{index}/2", "--limit", "4"))
    refused = mmact("merge", "begun", "--out", "x", code=2).stderr
    assert "missing: toy/easy/init4/seed0; toy/hard/init4/seed0." in refused


def test_halves_by_task_from_two_machines_are_one_table(place: Path, undivided: Path, mmact: Mmact) -> None:
    for tasks, out in (("hard", "half-b"), ("easy", "half-a")):
        mmact(*run(out, "--tasks", tasks))
    mmact("merge", "half-b", "half-a", "--out", "halves")
    there, now = read_run(undivided), read_run(place / "halves")
    assert [a.reproducible() for a in there.results] == [b.reproducible() for b in now.results]
    assert now.manifest.tasks == there.manifest.tasks == ["easy", "hard"]
    assert now.manifest.episodes_planned == 10


@pytest.fixture
def odd(parts: Path, tmp_path: Path) -> Path:
    """A copy of part 0 to be changed."""
    return without_times(parts / "shard-0-of-3", tmp_path / "odd")


def change(folder: Path, name: str, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = folder / name
    lines = file.read_text().splitlines()
    first = json.dumps(edit(json.loads(lines[0] if name.endswith("l") else file.read_text())))
    file.write_text("\n".join([first, *lines[1:]] if name.endswith("l") else [first]) + "\n")


def test_equal_doubles_count_once_and_are_told(parts: Path, odd: Path, tmp_path: Path, mmact: Mmact) -> None:
    said = mmact("merge", str(parts), str(odd), "--out", str(tmp_path / "m")).stdout
    assert "10 episodes of 4 runs, 3 of them done more than once with equal results" in said


def test_a_video_that_only_one_of_two_runs_has_is_kept(parts: Path, tmp_path: Path, mmact: Mmact) -> None:
    bare = without_times(parts / "shard-0-of-3", tmp_path / "bare")
    (bare / "videos").unlink()
    lines = [json.loads(line) for line in (bare / "episodes.jsonl").read_text().splitlines()]
    lines[0]["artifacts"] = {"video_error": "no space left"}
    (bare / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    mmact("merge", str(bare), str(parts), "--out", str(tmp_path / "m"))
    for result in read_run(tmp_path / "m").results:
        assert set(result.artifacts) == {"video"}
        assert (tmp_path / "m" / result.artifacts["video"]).is_file()


def test_of_runs_from_before_there_were_plans_the_number_is_known(
    parts: Path, undivided: Path, tmp_path: Path, mmact: Mmact
) -> None:
    old = without_times(undivided, tmp_path / "old")
    lines = (old / "sessions.jsonl").read_text().splitlines()
    bare = [{key: value for key, value in json.loads(line).items() if key != "plan"} for line in lines]
    (old / "sessions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare))
    mmact("merge", str(old), "--out", str(tmp_path / "m"))
    episodes = (old / "episodes.jsonl").read_text().splitlines(keepends=True)
    (old / "episodes.jsonl").write_text("".join(episodes[:-3]))
    refused = mmact("merge", str(old), "--out", str(tmp_path / "n"), code=2).stderr
    assert f"missing: 3 of the 10 episodes of {old}" in refused


def test_a_folder_of_parts_is_no_run_and_says_what_to_do(parts: Path, mmact: Mmact) -> None:
    assert "parts of a run in it: mmact-eval merge" in mmact("report", str(parts), code=2).stderr


def test_different_doubles_are_refused_by_name(parts: Path, odd: Path, tmp_path: Path, mmact: Mmact) -> None:
    change(odd, "episodes.jsonl", lambda line: {**line, "steps": 7, "final_hash": "f00"})
    refused = mmact("merge", str(parts), str(odd), "--out", str(tmp_path / "m"), code=2).stderr
    assert "1 episode has different results" in refused
    assert "toy/easy/init0/seed0 in " in refused
    assert "(steps: 12 → 7, final_hash: " in refused
    assert not (tmp_path / "m").exists()


def test_a_real_result_wins_over_an_error(parts: Path, odd: Path, tmp_path: Path, mmact: Mmact) -> None:
    change(odd, "episodes.jsonl", lambda line: {**line, "outcome": "error", "error_kind": "crash", "error": "x"})
    mmact("merge", str(odd), *(str(parts / f"shard-{k}-of-3") for k in range(3)), "--out", str(tmp_path / "m"))
    first = read_run(tmp_path / "m").results[0]
    assert first.outcome != "error"
    assert (tmp_path / "m" / first.artifacts["video"]).is_file()


def test_another_fingerprint_is_refused_in_words(parts: Path, tmp_path: Path, mmact: Mmact) -> None:
    other = str(tmp_path / "other")
    mmact(*run(other, "--tasks", "hard", "--set", "protocol.settle_steps=3", "--seed", "1"))
    refused = mmact("merge", str(parts), other, "--out", str(tmp_path / "m"), code=2).stderr
    assert "were made differently" in refused
    assert "- protocol.settle_steps: 2 → 3" in refused
    assert "- seed: 0 → 1" in refused


def test_another_renderer_is_refused_unless_allowed_and_then_told(parts: Path, tmp_path: Path, mmact: Mmact) -> None:
    drawn = tmp_path / "drawn"
    for index, name in ((0, "NVIDIA A"), (1, "NVIDIA B"), (2, "NVIDIA A")):
        copy = without_times(parts / f"shard-{index}-of-3", drawn / f"shard-{index}-of-3")
        change(copy, "sessions.jsonl", functools.partial(_drawn_by, name))
        change(copy, "manifest.json", _with_camera)
        lines = [json.loads(line) for line in (copy / "episodes.jsonl").read_text().splitlines()]
        bare = [{key: value for key, value in line.items() if key != "digest"} for line in lines]
        (copy / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare))
    refused = mmact("merge", str(drawn), "--out", str(tmp_path / "m"), code=2).stderr
    assert "Images would be drawn by two renderers" in refused
    assert "NVIDIA B" in refused
    mmact("merge", str(drawn), "--out", str(tmp_path / "m"), "--allow-renderer")
    assert "Images were drawn by 2 renderers" in mmact("report", str(tmp_path / "m"), "--format", "csv").stdout


def _drawn_by(renderer: str, session: dict[str, Any]) -> dict[str, Any]:
    return {**session, "prepared": {"renderer": renderer}}


def _with_camera(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["fingerprint"]["policy"]["cameras"] = ["top"]
    return manifest


def test_what_is_being_written_is_refused(parts: Path, tmp_path: Path, mmact: Mmact) -> None:
    lock = RunLock(parts / "shard-1-of-3")
    refused = mmact("merge", str(parts), "--out", str(tmp_path / "m"), code=2).stderr
    assert f"shard-1-of-3 is in use by process {os.getpid()}" in refused
    assert "--out" not in refused, "that is the folder of what is merged"
    other = RunLock(parts / "shard-2-of-3")
    refused = mmact("merge", str(parts), "--out", str(tmp_path / "m"), code=2).stderr
    for held in (lock, other):
        held.release()
    assert "2 of these runs are not over yet:" in refused
    assert all(f"shard-{index}-of-3 is in use by" in refused for index in (1, 2))
    assert not [*tmp_path.iterdir()]


def test_a_part_that_still_runs_is_waited_for_and_can_be_stopped_and_resumed(
    parts: Path, tmp_path: Path, mmact: Mmact
) -> None:
    slow = [sys.executable, "-m", "mmact_eval", *run(str(tmp_path / "out"), "--set", "env_args.step_seconds=0.05")]
    done = [*slow, "--shard", "0/2"]
    subprocess.run(done, check=True, capture_output=True)
    command = [*slow, "--shard", "1/2"]
    with open(tmp_path / "said", "w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    part = tmp_path / "out" / "shard-1-of-2"
    end = time.monotonic() + 60
    while not (part / "episodes.jsonl").exists() or not (part / "episodes.jsonl").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    merge = ["merge", str(tmp_path / "out"), "--out", str(tmp_path / "m")]
    for options in ([], ["--allow-missing"]):
        refused = mmact(*merge, *options, code=2).stderr
        assert f"shard-1-of-2 is in use by process {process.pid} on" in refused
        assert "Wait until that run is over, or stop it" in refused
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert "missing: " in mmact(*merge, code=2).stderr
    subprocess.run(command, check=True, capture_output=True)
    assert "10 episodes of 2 runs" in mmact(*merge).stdout


def test_parts_that_were_asked_for_different_episodes_say_which_for_what_and_what_to_do(
    tmp_path: Path, mmact: Mmact
) -> None:
    short = ["run", "--suite", "toy", "--policy", "noop", "--set", "protocol.max_steps=2", "--format", "none",
             "--out", str(tmp_path / "out")]  # fmt: skip
    mmact(*short, "--episodes", "3", "--shard", "0/3")
    mmact(*short, "--episodes", "5", "--shard", "1/3")
    mmact(*short, "--episodes", "3", "--shard", "2/3")
    merge = ["merge", str(tmp_path / "out"), "--out", str(tmp_path / "m")]
    refused = mmact(*merge, code=2).stderr
    folder = f"{tmp_path}/out/shard"
    assert (
        f"{folder}-0-of-3 (part 0 of 3), {folder}-2-of-3 (part 2 of 3): 6 episodes, 3 of each of 2 tasks, " in refused
    )
    assert f"{folder}-1-of-3 (part 1 of 3): 10 episodes, 5 of each of 2 tasks, init states 0-4\n" in refused
    assert "So these are missing: toy/easy/init2/seed0; " in refused
    assert "Give all parts the same --tasks, --episodes and --init-states" in refused
    mmact(*short, "--episodes", "3", "--tasks", "easy", "--shard", "1/3")
    refused = mmact(*merge, code=2).stderr
    assert "of each of 2 tasks (easy, hard), init states 0-2\n" in refused
    assert "3 episodes, 3 of each of 1 task (easy), init states 0-2\n" in refused
    mmact(*short, "--episodes", "3", "--shard", "1/3")
    assert "of 3 runs" in mmact(*merge).stdout


def test_out_is_whole_or_not_there(parts: Path, tmp_path: Path, mmact: Mmact) -> None:
    out = tmp_path / "m"
    left = tmp_path / ".m.part"  # of one that was killed
    (left / "videos").mkdir(parents=True)
    (left / "manifest.json").write_text("half")
    lock = RunLock(left)
    assert "in use" in mmact("merge", str(parts), "--out", str(out), code=2).stderr
    lock.release()
    (left / "manifest.json").write_text("half")
    mmact("merge", str(parts), "--out", str(out))
    assert not left.exists()
    assert "holds something already" in mmact("merge", str(parts), "--out", str(out), code=2).stderr
    inside = parts / "shard-0-of-3" / "m"
    assert "which is to be merged" in mmact("merge", str(parts), "--out", str(inside), code=2).stderr


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "is no run folder"),
        (
            lambda folder: (folder / "run").mkdir() or (folder / "run" / "manifest.json").touch(),
            "is a recorded data set",
        ),
        (lambda folder: [(folder / name).mkdir() for name in ("shard-0-of-2", "shard-0-of-3")], "parts of 2 and 3"),
        (lambda folder: touch(folder / "shard-0-of-2" / "x", folder / "manifest.json"), "Say which is meant"),
    ],
    ids=["nothing", "data set", "two divisions", "run and parts"],
)
def test_what_is_no_run_is_refused(tmp_path: Path, mmact: Mmact, make: Callable[[Path], object], says: str) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    make(folder)
    assert says in mmact("merge", str(folder), "--out", str(tmp_path / "m"), code=2).stderr


def test_a_run_is_given_once(parts: Path, tmp_path: Path, mmact: Mmact) -> None:
    again = str(parts / "shard-0-of-3")
    assert "is given twice" in mmact("merge", str(parts), again, "--out", str(tmp_path / "m"), code=2).stderr
