"""For all tests: run folders made by hand; and properties hold on busy machines, so Hypothesis measures no time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mmact_eval.runs.files.rescue import write_manifest
from mmact_eval.runs.manifest import VERSION, Manifest, PolicyPart, SuitePart
from mmact_eval.types import Episode, EpisodeResult

settings.register_profile("mmact-eval", deadline=None)
settings.load_profile("mmact-eval")

FINGERPRINT: dict[str, Any] = {
    "suite": {"name": "toy", "env": "toy", "env_args": {}},
    "protocol": {"max_steps": 60, "seed_mode": "episode", "cameras": ["top", "side"], "replan": 4},
    "policy": {"name": "mine", "checkpoint": "", "args": {}, "config": {}},
    "seed": 0,
    "versions": {"mmact-eval": "0.1.0"},
}

Outcomes = Mapping[str, str] | Iterable[EpisodeResult]
MakeRun = Callable[..., Path]


def results_of(outcomes: Mapping[str, str], suite: str = "toy", seed: int = 0) -> list[EpisodeResult]:
    """``{"cup": "SSFE"}``: success, success, failure, error of the first four init states of the task."""
    names: dict[str, Any] = {"S": "success", "F": "failure", "E": "error"}
    return [
        EpisodeResult(
            Episode(suite, task, i, seed),
            names[letter],
            steps=20 + i if letter == "S" else 60,
            queries=2,
            scene_hash=f"scene-{task}-{i}",
            final_hash=f"final-{task}-{i}-{letter}",
            error_kind="environment" if letter == "E" else "",
            error="RuntimeError: boom" if letter == "E" else "",
            seconds=2.0,
            latencies=(0.01, 0.03),
        )
        for task, letters in outcomes.items()
        for i, letter in enumerate(letters)
    ]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write a run folder: ``make_run("a", {"cup": "SSF"}, protocol={"max_steps": 30}, policy={"name": "other"})``."""

    def make(name: str, outcomes: Outcomes, suite: str = "toy", seed: int = 0, **changes: Mapping[str, Any]) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        fingerprint = copy.deepcopy(FINGERPRINT)
        fingerprint["suite"]["name"], fingerprint["seed"] = suite, seed
        for part, values in changes.items():
            fingerprint[part].update(values)
        results = results_of(outcomes, suite, seed) if isinstance(outcomes, Mapping) else list(outcomes)
        tasks = list(dict.fromkeys(result.episode.task for result in results))
        manifest = Manifest(
            manifest_version=VERSION,
            fingerprint=fingerprint,
            suite=SuitePart(name=suite, title=suite.title()),
            protocol=fingerprint["protocol"],
            policy=PolicyPart(privileged=False, not_real=""),
            tasks=tasks,
            episodes_planned=len(results),
            seed=seed,
        )
        write_manifest(folder, manifest)
        lines = [json.dumps(result.to_json()) for result in results]
        (folder / "episodes.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return folder

    return make
