"""Parts of which something is missing: why, as far as that can be seen, and the commands that do it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.runs.reading import read_run


def mmact(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmact_eval", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def run(*options: str) -> list[str]:
    return ["run", "--suite", "toy", "--policy", "noop", "--set", "protocol.max_steps=2", "--format", "none", *options]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for index in range(2):
        mmact(tmp_path, *run("--episodes", "2", "--shard", f"{index}/2", "--out", "out"))
    return tmp_path / "out"


def commands(said: str) -> list[list[str]]:
    told = [line.partition("missing ones: ")[2] for line in said.splitlines() if "missing ones: " in line]
    return [words[words.index("run") :] for words in map(shlex.split, told)]


def test_the_command_that_is_told_does_all_that_is_missing_though_the_first_part_was_asked_for_less(
    parts: Path,
) -> None:
    place = parts.parent
    mmact(place, *run("--episodes", "3", "--shard", "1/2", "--out", "out"))
    (command,) = commands(mmact(place, "merge", "out", "--out", "m", "--allow-missing").stdout)
    mmact(place, *command)
    assert len(read_run(place / "m").results) == 6


def test_if_no_command_asks_for_all_that_is_missing_several_are_told(tmp_path: Path) -> None:
    for task in ("easy", "hard"):
        mmact(tmp_path, *run("--episodes", "2", "--tasks", task, "--limit", "1", "--out", task))
    said = mmact(tmp_path, "merge", "easy", "hard", "--out", "m", "--allow-missing").stdout
    assert [words[words.index("--tasks") + 1] for words in commands(said)] == ["easy", "hard"]
    for command in commands(said):
        mmact(tmp_path, *command)
    assert len(read_run(tmp_path / "m").results) == 4


def test_a_line_that_cannot_be_read_is_named_where_its_episode_is_missing(parts: Path) -> None:
    file = parts / "shard-1-of-2" / "episodes.jsonl"
    file.write_text("XXX" + file.read_text())
    refused = mmact(parts.parent, "merge", "out", "--out", "m", code=2).stderr
    assert refused.startswith("Error: missing: toy/hard/init0/seed0 (out/shard-1-of-2/episodes.jsonl: not an episode, ")
    assert "line 1" in refused


def test_a_part_under_another_name_is_not_taken_and_that_is_said(parts: Path) -> None:
    place = parts.parent
    aside = "out/shard-0-of-2 (copy) is no part by its name (shard-0-of-3 and so on) and was left aside"
    shutil.copytree(parts / "shard-0-of-2", parts / "shard-0-of-2 (copy)")
    said = mmact(place, "merge", "out", "--out", "m")
    assert f"Note: {aside}." in said.stderr
    assert "Merged into m: 4 episodes of 2 runs." in said.stdout
    shutil.rmtree(parts / "shard-0-of-2")
    refused = mmact(place, "merge", "out", "--out", "m2", code=2).stderr
    assert f"missing: part 0 of 2 (2 episodes) ({aside})." in refused


def test_an_earlier_merge_is_replaced_by_one_of_more_and_nothing_else_is(parts: Path) -> None:
    place = parts.parent
    mmact(place, "merge", "out", "--out", "m")
    for index in range(2):
        mmact(place, *run("--episodes", "3", "--shard", f"{index}/2", "--out", "out"))
    assert "holds something already" in mmact(place, "merge", "out", "--out", "m", code=2).stderr
    assert "Merged into m: 6 episodes of 2 runs" in mmact(place, "merge", "out", "--out", "m", "--replace").stdout
    assert len(read_run(place / "m").results) == 6
    assert sorted(path.name for path in place.iterdir()) == ["m", "out"]
    mmact(place, *run("--episodes", "4", "--out", "m"))
    assert "has gone on with it since" in mmact(place, "merge", "out", "--out", "m", "--replace", code=2).stderr
    assert len(read_run(place / "m").results) == 8


def test_a_merge_of_less_does_not_replace_one_of_more(parts: Path) -> None:
    place = parts.parent
    mmact(place, "merge", "out", "--out", "m")
    half = mmact(place, "merge", "out/shard-0-of-2", "--out", "m", "--replace", "--allow-missing", code=2).stderr
    assert "m has results that these runs have not: toy/" in half
    assert len(read_run(place / "m").results) == 4
