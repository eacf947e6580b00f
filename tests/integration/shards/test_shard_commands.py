"""Parts from Python, of studies and of recordings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.derived.merge import merge
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.evaluation import evaluate, load_results
from mmact_eval.runs.reading import read_run


def mmact(folder: Path, *words: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "mmact_eval", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_parts_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
        for name, value in (("MIN", "0"), ("MAX", "1"), ("COUNT", "2")):
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
        part = evaluate("toy", "toy", episodes=3, shard="slurm", out=tmp_path / "run", progress=False)
        assert part.folder == tmp_path / "run" / f"shard-{number}-of-2"
        assert len(part.episodes) == 3
    merge([tmp_path / "run"], tmp_path / "whole")
    whole = evaluate("toy", "toy", episodes=3, progress=False)
    there, now = (
        [one.reproducible() for one in results.episodes] for results in (whole, load_results(tmp_path / "whole"))
    )
    assert there == now
    with pytest.raises(UsageError, match="there are 6 episodes, and 7 parts of them"):
        evaluate("toy", "toy", episodes=3, shard="6/7", progress=False)


def test_the_default_folder_of_a_part_is_its_own(tmp_path: Path) -> None:
    for index in range(2):
        mmact(tmp_path, "run", "--suite", "toy", "--policy", "noop", "--episodes", "1", "--shard", f"{index}/2")
    folder = tmp_path / "runs" / "toy" / "noop-seed0"
    assert sorted(path.name for path in folder.iterdir()) == ["shard-0-of-2", "shard-1-of-2"]


_STUDY = """
name: two
base: {suite: toy, policy: random, episodes: 3}
arms:
  plain: {}
  late: {transforms: [{quantize: {bins: 4}}]}
"""


def test_a_study_in_parts_is_the_study(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(_STUDY)
    study = ["ablate", "--study", "two.yaml", "--format", "csv"]
    for index in range(2):
        told = mmact(tmp_path, *study, "--out", "parts", "--shard", f"{index}/2")
        assert "─" not in told, "tables of a part tell nothing of the study"
        assert "late: " in told
        assert f"This is part {index} of 2 of the study; once all are done: mmact-eval merge parts --out" in told
        assert told.count("merge") == 1
    told = mmact(tmp_path, "merge", "parts", "--out", "merged")
    assert "plain: 6 episodes of 2 runs" in told
    assert sorted(path.name for path in (tmp_path / "merged").iterdir()) == ["late", "plain", "study.json"]
    mmact(tmp_path, *study, "--out", "whole")
    mmact(tmp_path, *study, "--out", "merged")
    for name in ("report.csv", "pairs.csv"):
        there, now = ((tmp_path / out / name).read_text() for out in ("whole", "merged"))
        assert _without_times(there) == _without_times(now)
    assert "--until-decided looks at" in mmact(tmp_path, *study, "--until-decided", "--shard", "0/2", code=2)
    for change, says in ((["--seed", "1"], "base.seed: 0 → 1"), (["--suite", "toy-stages"], "base.suite")):
        mmact(tmp_path, *study, *change, "--out", f"other-{change[1]}", "--shard", "1/2")
        one, other = "parts/shard-0-of-2", f"other-{change[1]}/shard-1-of-2"
        assert says in mmact(tmp_path, "merge", one, other, "--out", "m", code=2)
    refused = mmact(tmp_path, "merge", "parts/shard-0-of-2", "--out", "m", code=2)
    assert "arm plain: missing: part 1 of 2 (3 episodes)" in refused
    assert not (tmp_path / "m").exists()


def _without_times(table: str) -> list[list[str]]:
    """The columns but the last three, latencies and seconds."""
    return [line.split(",")[:-3] for line in table.splitlines()]


def test_a_recording_in_parts_is_several_data_sets_which_are_not_merged(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    record = ["record", "--suite", "toy", "--policy", "toy", "--episodes", "2", "--images", "png", "--out", "data"]
    for index in range(2):
        mmact(tmp_path, *record, "--shard", f"{index}/2")
        assert (tmp_path / "data" / f"shard-{index}-of-2" / "meta").is_dir()
    for given in ("data", "data/shard-0-of-2/run"):
        assert "is a recorded data set" in mmact(tmp_path, "merge", given, "--out", "m", code=2)


def test_more_episodes_asked_of_the_parts_later_are_in_one_of_them(tmp_path: Path) -> None:
    for episodes in (2, 4):
        for index in range(3):
            evaluate("toy", "toy", episodes=episodes, shard=f"{index}/3", out=tmp_path / "run", progress=False)
    merged = merge([tmp_path / "run"], tmp_path / "whole")
    assert merged.episodes == 8
    assert len(read_run(tmp_path / "whole").results) == 8
    with pytest.raises(RunFolderError, match="missing: part 2 of 3"):
        merge([tmp_path / "run" / f"shard-{k}-of-3" for k in (0, 1)], tmp_path / "m")
