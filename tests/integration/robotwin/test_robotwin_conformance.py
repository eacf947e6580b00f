"""RoboTwin's embedded mode keeps what the protocols promise: few steps, small motions, without the expert's play."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from robotwin_ready import suite_with_seeds, what_is_missing

from mmact_eval.conformance import check_env_plugin
from mmact_eval.envs.robotwin import plugin

pytestmark = [pytest.mark.robotwin, pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())]


def test_robotwin_keeps_its_promises(tmp_path: Path) -> None:
    actions = np.zeros((3, 14), np.float32)
    actions += 0.1 * np.sin(np.linspace(0.1, 1.0, 3, dtype=np.float32))[:, None]
    actions[:, [6, 13]] = 1.0
    suite = suite_with_seeds(tmp_path / "seeds.json", "protocol.cameras=[head_camera]")
    report = check_env_plugin(plugin, suite, actions=actions, privileged=False, gymnasium=False)
    skipped = {finding.name: finding.happened for finding in report.findings if finding.status == "skipped"}
    assert skipped == {
        "disturb": "its spec does not say `disturbable`",
        "stops at success": "robotwin-oracle needs ground truth, which is not looked at here",
        "gymnasium": "not asked for",
    }
