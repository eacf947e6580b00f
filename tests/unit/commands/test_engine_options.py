"""Numbers that an engine cannot work with: one line and exit code 2. Options that do nothing: a line that says so."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.cli import main
from mmact_eval.commands.run import _told_of
from mmact_eval.engine.options import EngineOptions, ReplicaReport
from mmact_eval.errors import UsageError
from mmact_eval.evaluation import evaluate


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--worker-cpus", "nan", "--worker-cpus must be a number, not nan"),
        ("--policy-gpus", "nan", "--policy-gpus must be a number, not nan"),
        ("--policy-gpus", "inf", "--policy-gpus must be a number, not inf"),
        ("--policy-replicas", "many", "'many' is not a valid number or auto"),
        ("--policy-replicas", "-1", "-1 is not in the range x>=0"),
        ("--shard", "0/0", "--shard 0/0: a run has one part at least, 0/1"),
    ],
)
def test_what_is_no_number_for_it_is_refused(
    option: str,
    value: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["mmact-eval", "run", "--suite", "toy", "--policy", "toy", f"{option}={value}"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def said_by_a_run(out: Path, capfd: pytest.CaptureFixture[str], *options: str) -> str:
    arguments = ["run", "--suite", "toy", "--policy", "toy", "--limit", "1", "--format", "none", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["mmact-eval", *arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code in (0, None)
    found = capfd.readouterr()
    return found.out + found.err


def test_an_option_that_does_nothing_says_so_in_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = said_by_a_run(tmp_path / "a", capfd, "--worker-cpus", "0.5", "--policy-gpus", "2")
    assert said.count("warning: ") == 2
    assert "warning: --worker-cpus 0.5 does nothing: it is for --engine ray\n" in said
    assert "warning: --policy-gpus 2 does nothing without --policy-replicas" in said
    assert "warning" not in said_by_a_run(tmp_path / "b", capfd, "--worker-cpus", "1", "--policy-gpus", "1")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (EngineOptions(workers=2, policy_replicas=3), "3 policy replicas for 2 workers: no more than 2 of them"),
        (EngineOptions(workers=2, policy_replicas=2), ""),
        (EngineOptions(workers=1, policy_replicas="auto", policy_gpus=2), ""),
        (EngineOptions(engine="ray", workers=0, policy_replicas=64, worker_cpus=0.5), ""),
        (EngineOptions(engine="ray", workers=1, policy_replicas=3), "3 policy replicas for 1 worker"),
        (EngineOptions(policy_gpus=0), ""),
    ],
)
def test_replicas_that_can_never_all_work_are_told(options: EngineOptions, says: str) -> None:
    found = options.without_effect
    assert len(found) == bool(says)
    assert all(text.startswith(says) for text in found)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"worker_cpus": math.nan}, "options.worker_cpus must be a number, not nan"),
        ({"worker_cpus": 0}, "options.worker_cpus must be more than 0, not 0"),
        ({"policy_gpus": math.inf}, "options.policy_gpus must be a number, not inf"),
        ({"policy_gpus": -1}, "options.policy_gpus must be at least 0, not -1"),
        ({"policy_timeout": "10"}, "options.policy_timeout must be a number, not '10'"),
        ({"max_batch": 0}, "options.max_batch must be at least 1, not 0"),
        ({"retries": 0.5}, "options.retries must be a whole number, not 0.5"),
        ({"policy_replicas": -1}, "policy_replicas must be at least 0, not -1"),
        ({"cluster": "auto"}, 'options.cluster is for the engine ray, and the engine is "local"'),
    ],
)
def test_from_python_it_is_an_error_of_ours_before_anything_runs(
    options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        evaluate("toy", "toy", options=EngineOptions(**options), out=tmp_path / "run")
    assert not [*tmp_path.iterdir()]


def test_many_replicas_are_told_of_in_one_line() -> None:
    one = ReplicaReport(batches=2, queries=4, busy_seconds=1.0, busy_share=0.25, peak_memory_mib=512.0)
    few = dict.fromkeys(range(8), one)
    assert [line.split(" of the policy")[0] for line in _told_of(few)] == [f"Replica {number}" for number in range(8)]
    idle = ReplicaReport(peak_memory_mib=2048.0, restarts=1)
    (line,) = _told_of({**few, 8: idle})
    assert line == (
        "9 replicas of the policy: 32 queries in 16 batches, busy 0 to 25 % of the time, 22 % on average, peak memory "
        "of one 2.00 GiB, restarted 1 time; 1 of them answered nothing"
    )
