"""Arms of a study that share a LIBERO environment come to what they would in one of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmact_eval.commands.ablate import command
from mmact_eval.runs.reading import read_episodes

pytestmark = pytest.mark.libero

STUDY = {
    "name": "mine",
    "base": {"suite": "libero-object", "policy": "expert", "tasks": "0", "episodes": 1, "protocol": {"max_steps": 20}},
    "arms": {
        "moved": {"protocol": {"disturbance": {"metres": 0.04, "first_step": 1, "last_step": 9}, "max_steps": 15}},
        "plain": {"transforms": [{"quantize": {"bins": 64}}]},
    },
}


def test_an_environment_in_which_another_arm_was_disturbed_is_as_good_as_new(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(json.dumps(STUDY))
    found = {}
    for together in ("none", "same-policy"):
        out = tmp_path / together
        given = ["--study", str(tmp_path / "study.yaml"), "--out", str(out), "--format", "csv"]
        assert command.main([*given, "--together", together], standalone_mode=False) == 0
        results = {arm: list(read_episodes(out / arm)[0].values()) for arm in ("moved", "plain")}
        assert "disturbance" in results["moved"][0].artifacts
        assert [r.steps for arm in results.values() for r in arm] == [15, 20]
        found[together] = {arm: [result.reproducible() for result in them] for arm, them in results.items()}
    assert found["none"] == found["same-policy"]
