"""Our data sets, read by the lerobot library itself: `scripts/lerobot-reader.sh` installs it and runs this."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow")
from mmact_eval.config.suite_file import load_suite
from mmact_eval.recording.layout import ImageFormat
from mmact_eval.recording.record import RecordOptions, record
from mmact_eval.runs.runner import RunRequest

HERE = Path(__file__).parents[2] / "helpers"
ELSEWHERE = os.environ.get("MMACT_EVAL_LEROBOT_PYTHON", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ELSEWHERE and importlib.util.find_spec("lerobot") is None,
        reason="lerobot is not installed: scripts/lerobot-reader.sh installs it and runs this test",
    ),
]


def read(root: Path) -> dict[str, Any]:
    done = subprocess.run(
        [ELSEWHERE or sys.executable, str(HERE / "peers" / "lerobot_reader.py"), str(root)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},  # whatever is missing must not be looked for on the Hub
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.mark.parametrize("images", ["video", "png"])
def test_lerobot_reads_every_frame(tmp_path: Path, images: ImageFormat) -> None:
    policy = f"{HERE / 'talking_policies.py'}:make_counting"
    request = RunRequest(suite=load_suite("toy"), policy=policy, episodes=3)
    outcome = record(request, tmp_path / "data", RecordOptions(images, noise=0.2, random_start=5))
    lossless = record(request, tmp_path / "png", RecordOptions("png", noise=0.2, random_start=5))
    seen = read(tmp_path / "data")

    rows = pd.read_parquet(tmp_path / "png" / "data" / "chunk-000" / "file-000.parquet")
    assert (seen["episodes"], seen["frames"], seen["fps"]) == (outcome.episodes, outcome.frames, 10)
    assert lossless.frames == outcome.frames
    np.testing.assert_array_equal(np.float32(seen["state"]), np.stack(list(rows["observation.state"])))
    np.testing.assert_array_equal(np.float32(seen["action"]), np.stack(list(rows["action"])))
    assert seen["index"] == list(range(len(rows)))
    assert seen["done"] == rows["next.done"].tolist()
    assert len(set(seen["tasks"])) == 2
    assert seen["windows"] == [4, 4, 2]
    subtasks = pd.read_parquet(tmp_path / "png" / "meta" / "subtasks.parquet").index
    if any(seen["subtasks"]):  # since 0.6 lerobot keeps sub-tasks elsewhere and gives the index alone
        assert seen["subtasks"] == [subtasks[k] for k in rows["subtask_index"]]
    assert {"mean", "std", "min", "max", "count", "q01", "q99"} <= set(seen["stats"]["observation.state"])

    assert seen["image_shape"] == [3, 64, 64]
    exact = [[brightness(row[camera]) for camera in seen["cameras"]] for _, row in rows.iterrows()]
    np.testing.assert_allclose(seen["brightness"], exact, atol=0.0 if images == "png" else 0.01, rtol=1e-5)


def brightness(image: dict[str, bytes]) -> float:
    import imageio.v3 as iio

    return float(iio.imread(io.BytesIO(image["bytes"])).mean() / 255)
