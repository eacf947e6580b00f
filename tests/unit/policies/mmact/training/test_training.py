"""A training as a whole: it learns, it goes on where it stopped, and what it writes is a checkpoint like any other."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from made_up_demonstrations import TASKS
from safetensors.torch import load_file

from mmact_eval.cli import cli
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.training.learning.state import STATE
from mmact_eval.policies.mmact import load
from mmact_eval.policies.mmact.policy import make_policy
from mmact_eval.policies.mmact.training import pipeline
from mmact_eval.policies.mmact.training.family import FAMILY
from mmact_eval.policies.mmact.training.settings import Training, read_settings

from .conftest import TINY
from .test_data import moments_of

NANO = Path(__file__).parents[5] / "policies" / "mmact" / "training" / "nano.yaml"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def settings(*data: Path, **changes: Any) -> Training:
    return Training.model_validate({**copy.deepcopy(TINY), "data": list(map(str, data)), **changes})


def train(what: Training, out: Path) -> tuple[Path, list[str]]:
    said: list[str] = []
    trained = pipeline.train(what, out, "cpu", False, said.append)
    assert trained.checkpoint is not None
    return trained.checkpoint, said


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(checkpoint / "model" / "model.safetensors")
    return found


def test_a_handful_of_frames_is_learned_by_heart(make_data: Callable[..., Path], tmp_path: Path) -> None:
    data = make_data(starts=1)
    optimizer = {"rate": 0.004, "warmup": 20}
    act = {
        "steps": 240, "weights": {"action": 1, "text": 0.5, "image": 0.2},
        "batch": {"action": 8, "text": 4, "image": 2}, "optimizer": optimizer,
    }  # fmt: skip
    what = settings(
        data, variant="text-image", stages={"act": act}, held_out=0.0, report_every=240, save_every=240,
        full_masks=0.8, quantizer={**TINY["quantizer"], "steps": 40, "optimizer": optimizer},
    )  # fmt: skip
    checkpoint, _ = train(what, tmp_path)
    moments = moments_of(tmp_path / "cache", data)
    model = load(checkpoint / "model", checkpoint / "quantizer", device="cpu")
    for place in range(6):
        images, words = list(moments.pixels[place]), str(moments.instructions[moments.instruction[place]])
        chunk = model.actions(images, words, moments.states[place], temperature=0.0)
        off = np.abs(chunk - moments.actions[place])[moments.there[place]]
        assert np.quantile(off, 0.9) < 0.1
        said = model.generate_text(images, words, steps=8, tokens=8)
        assert said == moments.subtasks[moments.subtask[place]]
    assert model.generate_image(images, words).shape == (32, 32, 3)


def test_a_training_that_was_interrupted_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    what = settings(data, variant="text-image")
    whole, _ = train(what, tmp_path / "whole")

    class Interrupted(Exception): ...

    def stop(line: str) -> None:
        if line.startswith("act 2/4"):
            raise Interrupted

    with pytest.raises(Interrupted):
        pipeline.train(what, tmp_path / "parts", "cpu", False, stop)
    parts, said = train(what, tmp_path / "parts")
    assert any(line.startswith("goes on after step 2 of stage 1") for line in said)
    for name, tensor in weights(whole).items():
        assert torch.equal(weights(parts)[name], tensor), name
    logs = [
        [{**json.loads(line), "steps_per_second": 0} for line in (tmp_path / run / "text-image" / "log.jsonl").open()]
        for run in ("whole", "parts")
    ]
    assert logs[0] == logs[1]
    assert {"loss", "held_out", "right", "off"} <= set(logs[0][-1]["action"])


def test_variants_share_what_does_not_depend_on_them(data: Path, tmp_path: Path) -> None:
    train(settings(data), tmp_path)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "quantizer").iterdir()}
    _, said = train(settings(data, variant="text"), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "quantizer").iterdir()} == made
    assert not any("image tokenizer, step" in line for line in said)
    assert any("text" in line and "image" not in line for line in said if line.startswith("speak"))
    assert (tmp_path / "vanilla" / "checkpoint").is_dir()


def test_tokenizers_and_weights_may_come_from_another_training(
    make_data: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    first, _ = train(settings(data), tmp_path / "first")
    more = make_data(first=3)
    after, said = train(settings(data, more, seed=1, first_weights=tmp_path / "first" / "vanilla"), tmp_path / "after")
    assert not any("image tokenizer, step" in line for line in said)
    for part in ("quantizer/pytorch_model.safetensors", "model/tokenizer.json"):
        assert (after / part).read_bytes() == (first / part).read_bytes()
    anew, _ = train(settings(data, more, seed=1, tokenizers=tmp_path / "first"), tmp_path / "anew")
    before, gone_on, other = (weights(folder)["model.transformer.wte.weight"] for folder in (first, after, anew))
    assert (gone_on - before).abs().mean() < (other - before).abs().mean()
    with pytest.raises(UsageError, match="other settings or other data"):
        train(settings(data, more, seed=1, tokenizers=tmp_path / "first"), tmp_path / "after")
    small = {**TINY["model"], "n_layers": 1}
    with pytest.raises(UsageError, match="another size"):
        train(settings(data, model=small, first_weights=tmp_path / "first" / "vanilla"), tmp_path / "small")
    with pytest.raises(UsageError, match="no folder of a training"):
        train(settings(data, tokenizers=tmp_path / "nowhere"), tmp_path / "other")


def test_states_that_were_saved_before_there_were_two_families_go_on() -> None:
    told = FAMILY.trained_as(read_settings(NANO, ("variant=text-image", "data=[elsewhere]", "decoding=sample")))
    assert told.startswith('{"seed":0,"variant":"text-image","state_mode":"eef_axisangle_gripper2","held_out":0.1,')
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == "7240da0c09784423"


def test_other_settings_or_data_do_not_go_on(data: Path, tmp_path: Path) -> None:
    train(settings(data), tmp_path)
    with pytest.raises(UsageError, match="training with other settings or other data"):
        train(settings(data, seed=0, full_masks=0.9), tmp_path)
    with pytest.raises(UsageError, match="image tokenizer of other settings"):
        train(settings(data, held_out=0.5), tmp_path)
    (tmp_path / "vanilla" / STATE).write_bytes(b"half a state")
    with pytest.raises(UsageError, match="is damaged"):
        train(settings(data), tmp_path)


def test_the_command_writes_a_checkpoint_that_the_policy_runs(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump({**TINY, "data": [str(data)], "decoding": "argmax"}))
    arguments = ["train", str(config), "--out", str(tmp_path / "out"), "--set", "variant=image", "--device", "cpu"]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert result.exception is None, result.output
    checkpoint = tmp_path / "out" / "image" / "checkpoint"
    assert f"checkpoint={checkpoint}" in result.output
    policy = make_policy(env_spec(load_suite("libero-object")), checkpoint=str(checkpoint), device="cpu")
    assert policy.spec.name == "made-up-image"
    assert policy.spec.not_real == ""
    asked = policy.spec.config
    assert (asked["variant"], asked["decoding"], asked["subgoal"]) == ("image", "argmax", 8)
    ((suite, init_states),) = asked["trained_on"].items()
    assert init_states == "0-2"
    assert f"run --suite {suite} --policy mmact" in result.output
    assert policy.spec.state == ("eef_pos", "eef_axis_angle", "gripper_qpos")
    other = make_policy(
        env_spec(load_suite("libero-object")), checkpoint=str(checkpoint), variant="vanilla", decoding="sample"
    )
    assert (other.spec.config["decoding"], other.spec.config["subgoal"]) == ("sample", 0)
    out = str(tmp_path / "out")  # of which a variant is taken
    assert make_policy(env_spec(load_suite("libero-object")), checkpoint=out, variant="image").spec.config == asked
    with pytest.raises(UsageError, match=r"there is no variant text of the training in .*; it made image"):
        make_policy(env_spec(load_suite("libero-object")), checkpoint=out, variant="text")
    with pytest.raises(UsageError, match=r"there is no variant text-image in .*, which was trained as image"):
        make_policy(env_spec(load_suite("libero-object")), checkpoint=str(checkpoint), variant="text-image")


def test_a_model_with_another_image_tokenizer_is_refused(data: Path, tmp_path: Path, checkpoint: Path) -> None:
    trained, _ = train(settings(data), tmp_path)
    with pytest.raises(UsageError, match="reads pictures of 16 codes out of 64"):
        load(trained / "model", checkpoint / "quantizer", device="cpu")


def test_a_configuration_of_the_package_has_a_name() -> None:
    assert read_settings("nano") == read_settings("NANO") == read_settings(NANO)
    with pytest.raises(UsageError, match=r'no training configuration "nan".* Did you mean "nano"'):
        read_settings("nan")


def test_the_smallest_configuration_is_valid_and_mistakes_are_named(tmp_path: Path) -> None:
    assert read_settings(NANO).name == "mmact-nano"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(NANO.read_text().replace("held_out: 0.1", "held_outs: 0.1"))
    with pytest.raises(UsageError, match=r'held_outs.*"held_out"'):
        read_settings(wrong)
    with pytest.raises(UsageError, match="trains nothing"):
        read_settings(NANO, ("stages.act.batch={}",))


def test_sub_tasks_that_do_not_fit_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'"hold it" takes \d tokens.*plan_tokens'):
        train(settings(data, variant="text", plan_tokens=4), tmp_path)


def test_the_words_of_the_tasks_are_read(data: Path, tmp_path: Path) -> None:
    assert set(moments_of(tmp_path, data).instructions) == set(TASKS)
