"""A run's images come from one renderer, whichever worker or start draws, unless somebody says that several may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import RunFolderError
from mmact_eval.results.reporting import summarize_folder
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute

_PLUGIN = """
import os
from mmact_eval.envs.toy import ToyPlugin

class Mixed(ToyPlugin):
    name = "mixed"
    def prepare_process(self, worker, workers):
        names = os.environ["TOY_RENDERERS"].split(",")
        return {"gl": "egl", "device": str(worker), "renderer": names[worker % len(names)]}

plugin = Mixed()
"""
_POLICY = """
import time
import numpy as np
from mmact_eval import PolicyOutput, PolicySpec

def make(env_spec, looks=True):
    class Slow:
        spec = PolicySpec("slow", env_spec.action, chunk=8, cameras=("top",) if looks else ())
        def reset(self, episodes): ...
        def act(self, queries):
            time.sleep(0.05)
            return [PolicyOutput(np.zeros((8, 2), np.float32)) for _ in queries]
    return Slow()
"""
_SUITE = (
    "name: mixed\nenv: mixed_renderers:plugin\nprotocol: {episodes: 4, max_steps: 60, cameras: [top], resolution: 32}\n"
)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"mixed_renderers.py": _PLUGIN, "slow.py": _POLICY, "mixed.yaml": _SUITE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def run(folder: Path, renderers: str, *, workers: int = 1, allow: bool = False, **changes: Any) -> RunOutcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOY_RENDERERS", renderers)
        return execute(
            RunRequest(
                load_suite(str(folder / "mixed.yaml")),
                f"{folder / 'slow.py'}:make",
                out=folder / "run",
                options=EngineOptions(workers=workers, allow_renderer=allow),
                **changes,
            )
        )


def test_workers_that_draw_differently_stop_the_run_and_both_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"(?s)A6000.*3090|3090.*A6000") as stopped:
        run(tmp_path, "NVIDIA RTX A6000,NVIDIA GeForce RTX 3090", workers=2)
    assert "--allow-renderer" in str(stopped.value)
    assert "CUDA_VISIBLE_DEVICES" in str(stopped.value)


def test_workers_on_several_gpus_of_one_kind_draw_alike(tmp_path: Path) -> None:
    outcome = run(tmp_path, "NVIDIA A100,NVIDIA A100", workers=2)
    assert len(outcome.results) == 8
    assert not any("renderers" in text for text in summarize_folder(tmp_path / "run").warnings)


def test_a_policy_that_looks_at_nothing_does_not_care(tmp_path: Path) -> None:
    outcome = run(tmp_path, "NVIDIA A100,NVIDIA H100", workers=2, policy_args={"looks": False})
    assert len(outcome.results) == 8


def test_a_run_goes_on_on_another_gpu_only_when_that_is_allowed_and_its_table_says_so(tmp_path: Path) -> None:
    run(tmp_path, "NVIDIA A100", limit=3)
    with pytest.raises(
        RunFolderError, match=r"drawn by NVIDIA A100 \(gl: egl\), this one with NVIDIA H100 \(gl: egl\)"
    ):
        run(tmp_path, "NVIDIA H100")
    outcome = run(tmp_path, "NVIDIA H100,NVIDIA L40", workers=2, allow=True)
    assert len(outcome.results) == 8
    found = summarize_folder(tmp_path / "run")
    (note,) = [text for text in found.warnings if "renderers" in text]
    for name in ("A100", "H100", "L40"):
        assert f"NVIDIA {name} (gl: egl)" in note
        assert f"NVIDIA {name}" in found.provenance["Rendering"]
    sessions = [json.loads(line) for line in (tmp_path / "run" / "sessions.jsonl").read_text().splitlines()]
    assert [s["options"]["allow_renderer"] for s in sessions if s["event"] == "start"] == [False, True]
    with pytest.raises(RunFolderError, match=r"A100.* and .*"):  # what was allowed once is not allowed for ever
        run(tmp_path, "NVIDIA T4", episodes=5)


def test_other_tasks_of_the_same_folder_are_drawn_by_the_same_renderer(tmp_path: Path) -> None:
    run(tmp_path, "NVIDIA A100", tasks="easy")
    with pytest.raises(RunFolderError, match="A100"):
        run(tmp_path, "NVIDIA H100", tasks="hard")


def test_a_renderer_that_is_known_by_now_may_go_on(tmp_path: Path) -> None:
    run(tmp_path, "NVIDIA A100", limit=2)
    run(tmp_path, "NVIDIA H100", limit=2, allow=True)
    assert len(run(tmp_path, "NVIDIA H100").results) == 8
