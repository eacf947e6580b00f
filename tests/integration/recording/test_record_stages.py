"""Recordings of episodes with stages: each frame has its own instruction, and they are played back to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from counted_policies import FORGETFUL

pytest.importorskip("pyarrow")
from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.probe.collect import collect
from mmact_eval.probe.from_dataset import read_reference
from mmact_eval.probe.reference import Frame, load, save
from mmact_eval.recording import dataset
from mmact_eval.recording.lead_in import LeadIn
from mmact_eval.recording.record import RecordOptions, record
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.types import EpisodeResult

SUITE = load_suite("toy-stages")


def request(**changes: Any) -> RunRequest:
    return replace(RunRequest(suite=SUITE, policy=FORGETFUL, episodes=3, tasks="easy"), **changes)


def colour_of(instruction: str) -> str:
    return instruction.removesuffix(" target").rpartition(" ")[2]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[EpisodeResult]]:
    folder = tmp_path_factory.mktemp("recorded")
    return folder, list(record(request(), folder, RecordOptions(images="png")).run.results)


def test_frames_have_the_instruction_of_their_stage(recorded: tuple[Path, list[EpisodeResult]]) -> None:
    folder, results = recorded
    named = pd.read_parquet(folder / "meta" / "tasks.parquet")
    texts = dict(zip(named.task_index, named.index, strict=True))
    frames = pd.read_parquet(folder / "data" / "chunk-000" / "file-000.parquet")
    rows = pd.read_parquet(folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    assert len(rows) == len(results) == 3
    for index, result in enumerate(results):
        told = [colour_of(texts[number]) for number in frames[frames.episode_index == index].task_index]
        assert told == [stage.task.partition("-")[2] for stage in result.stages for _ in range(stage.steps)]
        assert [colour_of(text) for text in rows.tasks[index]] == list(dict.fromkeys(told))
        assert rows["mmact_eval/stage_ends"][index].tolist() == np.cumsum([s.steps for s in result.stages]).tolist()


@pytest.mark.parametrize("replan", [None, 3])
@pytest.mark.parametrize("chunk", [1, 5, 16])
def test_a_recording_is_played_back_to_the_bit(
    tmp_path: Path, recorded: tuple[Path, list[EpisodeResult]], chunk: int, replan: int | None
) -> None:
    folder, results = recorded
    suite = load_suite("toy-stages", [f"protocol.replan={replan}"] if replan else [])
    args = {"data": str(folder), "chunk": chunk}
    again = execute(request(suite=suite, policy="replay", policy_args=args, out=tmp_path)).results
    assert [(r.stages, r.final_hash) for r in again] == [(r.stages, r.final_hash) for r in results]


def test_with_noise_and_another_policy_before_it_too(tmp_path: Path) -> None:
    lead_in = LeadIn(FORGETFUL, steps=12)
    options = RecordOptions(images="png", noise=0.1, random_start=3, lead_in=lead_in)
    made = record(request(policy="toy", policy_args={"chunk": 4}), tmp_path / "data", options)
    assert made.episodes == 3
    args = {"data": str(tmp_path / "data")}
    again = execute(request(policy="replay", policy_args=args, out=tmp_path / "again")).results
    assert [(r.stages, r.final_hash) for r in again] == [(r.stages, r.final_hash) for r in made.run.results]


def test_more_workers_make_the_same_data_set(tmp_path: Path, recorded: tuple[Path, list[EpisodeResult]]) -> None:
    record(request(options=EngineOptions(workers=3)), tmp_path, RecordOptions(images="png"))
    assert dataset.read(tmp_path).digest() == dataset.read(recorded[0]).digest()
    for part in ("data/chunk-000/file-000.parquet", "meta/tasks.parquet"):
        assert (tmp_path / part).read_bytes() == (recorded[0] / part).read_bytes()


def test_the_probes_frames_have_their_own_instruction_and_no_action_of_the_next_stage(
    tmp_path: Path, recorded: tuple[Path, list[EpisodeResult]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, results = recorded
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path))
    env = registry.env_plugin("toy").spec(SUITE)
    played = collect(request(), env, FORGETFUL, 8, lambda text: None)
    for reference in (read_reference(folder, SUITE, env, 8), played):
        assert {frame.episode for frame in reference.frames} == {result.episode for result in results}
        for frame in reference.frames:
            (result,) = (result for result in results if result.episode == frame.episode)
            ends = np.cumsum([stage.steps for stage in result.stages])
            number = int(np.searchsorted(ends, frame.step, "right"))
            assert colour_of(frame.observation.instruction) == result.stages[number].task.partition("-")[2]
            assert frame.step + len(frame.actions) <= ends[number]
    of_one = [frame for frame in played.frames if frame.episode == results[0].episode]
    save(tmp_path / "frames.npz", of_one)
    assert texts(load(tmp_path / "frames.npz")) == texts(of_one)
    assert len(set(texts(of_one))) > 1


def texts(frames: list[Frame]) -> list[str]:
    return [frame.observation.instruction for frame in frames]
