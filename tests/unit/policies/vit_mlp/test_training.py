"""A training as a whole: it learns, it goes on where it stopped, and what it writes is what the policy runs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file

from mmact_eval.cli import cli
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.training.data.frames import load_moments
from mmact_eval.policies.llada.training.data.moments import Moments
from mmact_eval.policies.llada.training.families import configured
from mmact_eval.policies.llada.training.learning.state import STATE
from mmact_eval.policies.vit_mlp import load
from mmact_eval.policies.vit_mlp.loading import Example
from mmact_eval.policies.vit_mlp.policy import make_policy
from mmact_eval.policies.vit_mlp.robots import CALVIN, LIBERO
from mmact_eval.policies.vit_mlp.training.pipeline import config_of, train
from mmact_eval.policies.vit_mlp.training.settings import Training
from mmact_eval.policies.vit_mlp.training.source import robot_that_recorded, source
from mmact_eval.policies.vit_mlp.training.targets import Examples, answer, shifted

from .conftest import TINY


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def settings(*data: Path, **changes: Any) -> Training:
    return Training.model_validate({**copy.deepcopy(TINY), "data": list(map(str, data)), **changes})


def trained(what: Training, out: Path) -> tuple[Path, list[str]]:
    said: list[str] = []
    made = train(what, out, "cpu", said.append).checkpoint
    assert made is not None
    return made, said


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(checkpoint / "model.safetensors")
    return found


def moments_of(data: Path, cache: Path, chunk: int = 8) -> Moments:
    return load_moments([data], source(LIBERO, chunk), 32, cache, lambda line: None)


def test_a_handful_of_frames_is_learned_by_heart(make_data: Callable[..., Path], tmp_path: Path) -> None:
    data = make_data(starts=1)
    optimizer = {"rate": 0.003, "warmup": 20}
    what = settings(data, steps=400, batch=8, held_out=0.0, report_every=400, save_every=400, optimizer=optimizer)
    checkpoint, _ = trained(what, tmp_path)
    moments, model = moments_of(data, tmp_path / "cache"), load(checkpoint, "cpu")
    told = [str(words) for words in moments.instructions[moments.instruction]]
    examples = [
        Example(list(moments.pixels[place]), told[place], moments.states[place].astype(np.float64))
        for place in range(len(moments))
    ]
    for place, chunk in enumerate(model.action_chunks(examples)):
        there = moments.there[place]
        off = np.abs(chunk - moments.actions[place])[there]
        assert off[:, :-1].mean() < 0.05
        np.testing.assert_array_equal(chunk[there, -1], moments.actions[place][there, -1])


def test_a_training_that_was_interrupted_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    what = settings(data)
    whole, _ = trained(what, tmp_path / "whole")

    class Interrupted(Exception): ...

    def stop(line: str) -> None:
        if line.startswith("act 4/6"):  # the state that is there is of step 2
            raise Interrupted

    with pytest.raises(Interrupted):
        train(what, tmp_path / "parts", "cpu", stop)
    parts, said = trained(what, tmp_path / "parts")
    assert "goes on after step 2 of stage 1" in said
    for name, tensor in weights(whole).items():
        assert torch.equal(weights(parts)[name], tensor), name
    logs = [
        [{**json.loads(line), "steps_per_second": 0} for line in (tmp_path / run / "log.jsonl").open()]
        for run in ("whole", "parts")
    ]
    assert logs[0] == logs[1]
    assert set(logs[0][-1]["action"]) == {"loss", "held_out", "off"}
    assert set(logs[0][-1]["gripper"]) == {"loss", "held_out", "right"}


def test_other_settings_do_not_go_on(data: Path, tmp_path: Path) -> None:
    trained(settings(data), tmp_path)
    trained(settings(data, name="by another name"), tmp_path)
    with pytest.raises(UsageError, match="training with other settings or other data"):
        train(settings(data, shift=2), tmp_path, "cpu", lambda line: None)
    (tmp_path / STATE).write_bytes(b"half a state")
    with pytest.raises(UsageError, match="is damaged"):
        train(settings(data), tmp_path, "cpu", lambda line: None)


def test_the_command_writes_a_checkpoint_that_the_policy_runs(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump({**TINY, "family": "vit-mlp", "data": [str(data)]}))
    arguments = ["train", str(file), "--out", str(tmp_path / "out"), "--set", "seed=1", "--device", "cpu"]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert result.exception is None, result.output
    checkpoint = tmp_path / "out" / "checkpoint"
    assert f"run --suite libero-object --policy vit-mlp --policy-args checkpoint={checkpoint}" in result.output
    libero = env_spec(load_suite("libero-object"))
    policy = make_policy(libero, checkpoint=str(checkpoint), device="cpu")
    assert (policy.spec.name, policy.spec.chunk, policy.spec.not_real) == ("made-up", 8, "")
    assert policy.spec.config["trained_on"] == {"libero-object": "0-2"}
    assert make_policy(libero, checkpoint=str(tmp_path / "out")).spec.config == policy.spec.config


def test_it_has_no_image_tokenizer_to_stop_at(data: Path, tmp_path: Path) -> None:
    arguments = ["train", "vit-mlp", "--set", f"data=[{data}]", "--out", str(tmp_path), "--only-quantizer"]
    with pytest.raises(UsageError, match="vit-mlp has no image tokenizer"):
        CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)


def test_the_configuration_of_the_package_has_a_name_and_mistakes_are_named() -> None:
    family, found = configured("vit-mlp", ("steps=10",))
    assert (family.policy, found.name) == ("vit-mlp", "vit-mlp")
    with pytest.raises(UsageError, match="a patch of 10 pixels must be a multiple of 4"):
        configured("vit-mlp", ("size.patch=10",))
    with pytest.raises(UsageError, match=r'quantizer.*"?unknown field'):
        configured("vit-mlp", ("quantizer.side=64",))


def test_what_comes_after_the_end_of_a_demonstration_counts_for_nothing(data: Path, tmp_path: Path) -> None:
    moments, what = moments_of(data, tmp_path), settings(data)
    config = config_of(what, LIBERO, moments, np.arange(len(moments)), {})
    examples = Examples(moments, config, 0, torch.device("cpu"))
    last = np.flatnonzero(~moments.there.all(axis=1))
    assert len(last)
    question = examples.question("action", last, np.random.default_rng(0))

    def asked(found: torch.Tensor) -> float:
        network: Any = lambda *_: found  # noqa: E731
        network.training = False
        return float(answer(network, question, torch.autocast("cpu", enabled=False)).loss)

    right = question.actions.clone()
    right[~question.there] = 0.9
    assert asked(right) == 0.0
    right[question.there] += 0.5
    assert asked(right) == pytest.approx(0.5)


def test_views_are_shifted_each_by_its_own_and_their_rim_is_repeated() -> None:
    pixels = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4, 1).expand(-1, -1, -1, -1, 3)
    shifts = torch.zeros(2, 3, 2, dtype=torch.int64)
    shifts[1, 2] = torch.tensor([1, -2])  # one down, two to the left
    moved = shifted(pixels, shifts)
    assert torch.equal(moved[0], pixels[0])
    assert torch.equal(moved[1, :2], pixels[1, :2])
    view = pixels[1, 2]
    assert torch.equal(moved[1, 2, 1:, :2], view[:3, 2:])
    assert torch.equal(moved[1, 2, 0, :2], view[0, 2:])
    assert torch.equal(moved[1, 2, 1:, 3], view[:3, 3])


def test_the_robot_is_known_by_its_cameras(make_data: Callable[..., Path], data: Path) -> None:
    calvin = make_data(suite="calvin-d-d")
    assert robot_that_recorded([calvin]) is CALVIN
    assert robot_that_recorded([data]) is LIBERO
    with pytest.raises(UsageError, match="of different robots"):
        robot_that_recorded([data, calvin])
