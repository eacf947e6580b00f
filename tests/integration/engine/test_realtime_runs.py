"""`mmact-eval run --realtime`: reproducible with a given latency, and the ordinary run with none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.runs.reading import read_episodes, read_manifest

TOY = ("run", "--suite", "toy", "--policy", "toy", "--format", "none")


def mmact_eval(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmact_eval", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def run(folder: Path, *options: str) -> list[Any]:
    """What must not depend on how the run was executed, of all episodes."""
    done = mmact_eval(*TOY, "--episodes", "3", "--out", str(folder), *options)
    assert done.returncode == 0, done.stderr
    found, _ = read_episodes(folder)
    assert len(found) == 6
    return [found[episode].reproducible() for episode in sorted(found, key=lambda episode: episode.key)]


def test_a_given_latency_is_reproducible_however_the_run_is_executed(tmp_path: Path) -> None:
    late = ("--realtime", "20", "--latency", "0.3")
    once = run(tmp_path / "once", *late)
    assert run(tmp_path / "workers", *late, "--workers", "2", "--max-batch", "1") == once
    assert run(tmp_path / "replicas", *late, "--workers", "2", "--policy-replicas", "2") == once
    assert run(tmp_path / "plain") != once
    policy = read_manifest(tmp_path / "once").policy
    assert (policy.name, policy.deterministic) == ("toy + 20 Hz, 300 ms", True)
    stalled = {name for result in read_episodes(tmp_path / "once")[0].values() for name in result.figures}
    assert {"policy/stalled_steps", "policy/stale_steps", "policy/steps_between_answers"} <= stalled


def test_no_latency_is_the_ordinary_run(tmp_path: Path) -> None:
    plain = run(tmp_path / "run")
    assert run(tmp_path / "run", "--realtime", "20", "--latency", "0") == plain  # the same fingerprint
    assert run(tmp_path / "other", "--realtime", "20", "--latency", "0") == plain


def test_a_measured_latency_is_not_reproducible_and_the_run_says_so(tmp_path: Path) -> None:
    run(tmp_path, "--realtime", "1000000")
    assert not read_manifest(tmp_path).policy.deterministic


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--latency", "0.1"), "--latency is for --realtime"),
        (("--realtime", "20", "--latency", "nan"), "give a number of Hz"),
        (("--realtime", "inf"), "give a number of Hz"),
    ],
)
def test_times_that_are_none_are_refused(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = mmact_eval(*TOY, "--out", str(tmp_path / "run"), *options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_default_folder_is_not_that_of_the_ordinary_run(tmp_path: Path) -> None:
    for options in ((), ("--realtime", "20", "--latency", "0.1"), ("--realtime", "20", "--latency", "0.2")):
        assert mmact_eval(*TOY, "--episodes", "1", "--tasks", "0", *options, folder=tmp_path).returncode == 0
    assert len(list((tmp_path / "runs" / "toy").iterdir())) == 3
