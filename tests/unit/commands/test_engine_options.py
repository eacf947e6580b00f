"""Numbers that an engine cannot work with: one line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmact_eval.cli import main


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
