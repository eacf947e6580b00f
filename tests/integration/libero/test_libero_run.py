"""Smoke rollouts on the real LIBERO through the command line, as users' CI would run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.runs.reading import read_episodes

pytestmark = pytest.mark.libero


def run(out: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "libero_object", "--policy", "expert"]
    command += ["--episodes", "1", "--out", str(out), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("runs") / "first"
    done = run(out, "--tasks", "0,3", "--workers", "2", "--video", "all")
    assert done.returncode == 0, done.stderr
    return out, done


def test_the_expert_solves_two_tasks_and_the_table_says_so(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = first
    assert "total" in done.stdout
    assert "2/2" in done.stdout
    assert "ground truth" in done.stdout
    report = (out / "report.md").read_text()
    assert "pick_up_the_bbq_sauce_and_place_it_in_the_basket" in report
    assert "**2/2**" in report


def test_nothing_of_the_simulators_noise_reaches_the_terminal(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = first
    own = [line for line in done.stderr.splitlines() if "episodes, about" in line]  # how far it is, on a slow machine
    assert done.stderr.splitlines() == own
    assert "robosuite" not in done.stdout
    assert "[info]" not in done.stdout


def test_videos_show_the_episode(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    import imageio.v3 as iio

    out, _ = first
    for result in read_episodes(out)[0].values():
        frames = iio.imread(out / result.artifacts["video"])
        assert frames.shape[1:] == (256, 256, 3)
        assert len(frames) > result.steps // 5
        assert abs(frames[0].astype(int) - frames[-1]).mean() > 1  # something has moved


def test_the_session_names_the_renderer_and_the_simulators_versions(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, _ = first
    manifest = json.loads((out / "manifest.json").read_text())
    session = json.loads((out / "sessions.jsonl").read_text().splitlines()[0])
    assert manifest["fingerprint"]["versions"]["mujoco"]
    assert session["prepared"]["gl"] in ("egl", "osmesa")


def test_one_worker_in_another_order_gives_the_same_records(
    first: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = first
    again = run(tmp_path, "--tasks", "0,3", "--shuffle", "4")
    assert again.returncode == 0, again.stderr
    before, after = (read_episodes(folder)[0] for folder in (out, tmp_path))
    assert {e: r.reproducible() for e, r in before.items()} == {e: r.reproducible() for e, r in after.items()}
