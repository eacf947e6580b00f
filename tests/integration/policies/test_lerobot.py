"""A LeRobot policy with random weights, through the library's own processors. Runs where the library is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lerobot", reason="the `lerobot` extra")

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors
from safetensors.torch import load_file, save_file

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import IncompatibleError, UsageError
from mmact_eval.policies.lerobot import make_policy
from mmact_eval.policies.remote.wire.layouts import LIBERO_ACTION
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.specs import EnvSpec, StateSpec
from mmact_eval.types import Episode, Observation, Query

STATE = {"eef_pos": StateSpec(3, ""), "eef_axis_angle": StateSpec(3, ""), "gripper_qpos": StateSpec(2, "")}
LIBERO = EnvSpec("libero", {"agentview": (64, 64), "wrist": (64, 64)}, "rotated 180°", STATE, LIBERO_ACTION)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("act")
    image = PolicyFeature(FeatureType.VISUAL, (3, 64, 64))
    config = ACTConfig(
        input_features={
            "observation.images.image": image,
            "observation.images.image2": image,
            "observation.state": PolicyFeature(FeatureType.STATE, (8,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (7,))},
        chunk_size=6, n_action_steps=4, dim_model=32, n_heads=2, dim_feedforward=64, n_encoder_layers=1,
        n_decoder_layers=1, n_vae_encoder_layers=1, latent_dim=4, pretrained_backbone_weights=None, device="cpu",
    )  # fmt: skip
    torch.manual_seed(0)
    ACTPolicy(config).save_pretrained(folder)
    stats: dict[str, Any] = {
        "observation.state": {"mean": torch.arange(8.0), "std": torch.full((8,), 2.0)},
        "action": {"mean": torch.zeros(7), "std": torch.full((7,), 0.5)},
    }
    for key in ("observation.images.image", "observation.images.image2"):
        stats[key] = {"mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.25)}
    for processor in make_pre_post_processors(config, dataset_stats=stats):
        processor.save_pretrained(folder)
    return folder


def query(number: int) -> Query:
    rng = np.random.default_rng(number)
    pictures = {camera: rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for camera in ("agentview", "wrist")}
    state = {key: rng.random(spec.dim) for key, spec in STATE.items()}
    return Query(Observation(pictures, state, "put it there"), Episode("libero-object", "milk", number, 0), 0)


def test_the_librarys_processors_and_model_give_the_actions(checkpoint: Path) -> None:
    ours = make_policy(LIBERO, str(checkpoint), device="cpu")
    assert (ours.spec.chunk, ours.spec.replan, ours.spec.image_size) == (6, 4, (64, 64))
    theirs = ACTPolicy.from_pretrained(checkpoint).eval()
    before, after = make_pre_post_processors(theirs.config, str(checkpoint))
    seen = query(1).observation
    batch = {
        "observation.images.image": torch.from_numpy(seen.images["agentview"]).permute(2, 0, 1).float() / 255,
        "observation.images.image2": torch.from_numpy(seen.images["wrist"]).permute(2, 0, 1).float() / 255,
        "observation.state": torch.from_numpy(np.concatenate(list(seen.state.values()))).float(),
        "task": "put it there",
    }
    with torch.inference_mode():  # the library's own loop: one action at a time
        actions = [after(theirs.select_action(before(batch))).numpy()[0] for _ in range(4)]
    np.testing.assert_allclose(ours.act([query(1)])[0].actions[:4], np.stack(actions), atol=1e-5)


def test_a_batch_gives_what_single_queries_give(checkpoint: Path) -> None:
    policy = make_policy(LIBERO, str(checkpoint), device="cpu")
    together = policy.act([query(number) for number in range(3)])
    for number, output in enumerate(together):
        np.testing.assert_allclose(output.actions, policy.act([query(number)])[0].actions, atol=1e-5)


def test_what_does_not_fit_is_said(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no LeRobot checkpoint"):
        make_policy(LIBERO, str(tmp_path))
    with pytest.raises(UsageError, match="say which checkpoint"):
        make_policy(LIBERO)
    with pytest.raises(UsageError, match="which camera"):
        registry.make_policy(f"lerobot:{checkpoint}", {}, registry.env_plugin("toy").spec(load_suite("toy")))


# Checkpoints that are not whole.


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint, tmp_path / "copy")


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        make_policy(LIBERO, str(folder), **{"device": "cpu", **options})
    message = str(caught.value)
    assert "\n" not in message
    return message


def change(path: Path, by: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    tensors = by(load_file(path))
    path.unlink()
    save_file(tensors, path)


def statistics(folder: Path, processor: str) -> Path:
    (path,) = folder.glob(f"policy_{processor}processor*.safetensors")
    return path


def test_a_missing_tensor_is_no_random_one(copy: Path) -> None:
    change(copy / "model.safetensors", lambda tensors: {n: t for n, t in tensors.items() if "action_head" not in n})
    assert "2 missing: model.action_head.weight, model.action_head.bias" in refusal(copy)


def test_tensors_that_do_not_fit_or_hold_nan(copy: Path) -> None:
    change(copy / "model.safetensors", lambda tensors: {**tensors, "model.action_head.bias": torch.zeros(9)})
    assert "1 of another shape: model.action_head.bias" in refusal(copy)
    nan = torch.full((7,), torch.nan)
    change(copy / "model.safetensors", lambda tensors: {**tensors, "model.action_head.bias": nan})
    assert "1 NaN: model.action_head.bias" in refusal(copy)


def test_a_loader_that_returns_without_weights_is_noticed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(cls: Any, path: str, config: Any) -> Any:  # as the library's pi0 does where it finds no file
        return cls(config)

    monkeypatch.setattr(ACTPolicy, "from_pretrained", classmethod(careless))
    assert "no weights could be read" in refusal(copy)


def test_tensors_without_a_place_are_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(copy / "model.safetensors", lambda tensors: {**tensors, "something.else": torch.zeros(1)})
    make_policy(LIBERO, str(copy), device="cpu")
    assert "are left out: something.else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("processor", "key", "named"),
    [
        ("post", "action.std", "action has no std (MEAN_STD)"),
        ("post", "action", "action has no mean and std (MEAN_STD)"),
        ("pre", "observation.state", "observation.state has no mean and std (MEAN_STD)"),
        ("pre", "observation.images.image2", "observation.images.image2 has no mean and std (MEAN_STD)"),
    ],
)
def test_missing_statistics_are_named(copy: Path, processor: str, key: str, named: str) -> None:
    change(statistics(copy, processor), lambda found: {n: t for n, t in found.items() if not n.startswith(key)})
    assert f"cannot be normalized as in training: {named}. Save its processors again" in refusal(copy)


def test_statistics_under_the_name_of_a_data_set_are_named(copy: Path) -> None:
    for processor in ("pre", "post"):
        change(statistics(copy, processor), lambda found: {f"mydata.buffer.{n}": t for n, t in found.items()})
    message = refusal(copy)
    assert "action has no mean and std (MEAN_STD)" in message
    assert "there are mydata.buffer.observation.images.image.mean" in message


def test_statistics_that_are_no_numbers_are_none(copy: Path) -> None:
    change(statistics(copy, "post"), lambda found: {**found, "action.mean": torch.full((7,), torch.nan)})
    assert "action has no mean (MEAN_STD)" in refusal(copy)


def test_processors_without_statistics_or_without_the_step(copy: Path) -> None:
    for processor in ("pre", "post"):
        path = copy / f"policy_{processor}processor.json"
        steps = json.loads(path.read_text())
        for step in steps["steps"]:
            step.pop("state_file", None)
        path.write_text(json.dumps(steps))
    assert "action has no mean and std (MEAN_STD)" in refusal(copy)
    steps["steps"] = [step for step in steps["steps"] if step["registry_name"] != "unnormalizer_processor"]
    path.write_text(json.dumps(steps))
    assert "no step of its processors normalizes action (MEAN_STD)" in refusal(copy)
    path.unlink()
    assert f'the processors of "{copy}" cannot be loaded: ' in refusal(copy)


def test_what_is_not_normalized_needs_no_statistics(checkpoint: Path, copy: Path) -> None:
    for processor in ("pre", "post"):
        path = copy / f"policy_{processor}processor.json"
        path.write_text(path.read_text().replace("MEAN_STD", "IDENTITY"))
        change(statistics(copy, processor), lambda found: {"un.used": torch.zeros(1)})
    assert "no step of its processors normalizes action (MEAN_STD)" in refusal(copy)
    config = copy / "config.json"
    config.write_text(config.read_text().replace("MEAN_STD", "IDENTITY"))
    plain = make_policy(LIBERO, str(copy), device="cpu").act([query(1)])[0].actions
    normal = make_policy(LIBERO, str(checkpoint), device="cpu").act([query(1)])[0].actions
    assert np.abs(plain - normal).max() > 0.01


# What is typed.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cameras": {"observation.images.imagee": "wrist"}},
            'cameras names "observation.images.imagee", and',
        ),
        ({"cameras": {"image": "wrists"}}, 'which camera is "observation.images.image"? not "wrists": libero offers'),
        ({"cameras": {"image": None}}, 'which camera is "observation.images.image"? not "None": libero offers'),
        ({"cameras": {"image": "wrist", "observation.images.image": "wrist"}}, '"observation.images.image" twice'),
        ({"cameras": "wrist"}, "cameras must map the policy's image keys to cameras, got 'wrist'"),
        ({"state": "eef_pos,eef_axis_angle,gripper_qpos,typo"}, "state names typo, and libero offers eef_pos"),
        ({"state": ["eef_pos"]}, "state must be names with commas, got ['eef_pos']"),
        ({"replan": 0}, "replan must be an integer from 1 to 6, the chunk, got 0"),
        ({"replan": 7}, "replan must be an integer from 1 to 6, the chunk, got 7"),
        ({"replan": True}, "replan must be an integer from 1 to 6, the chunk, got True"),
    ],
)
def test_what_is_typed_is_checked(checkpoint: Path, options: dict[str, Any], message: str) -> None:
    assert message in refusal(checkpoint, **options)


def test_cameras_are_given_with_or_without_the_prefix(checkpoint: Path) -> None:
    swapped = {"observation.images.image": "wrist", "image2": "agentview"}
    policy = make_policy(LIBERO, str(checkpoint), device="cpu", cameras=swapped, replan=1)
    assert policy.spec.config["cameras"] == {
        "observation.images.image": "wrist", "observation.images.image2": "agentview"
    }  # fmt: skip
    assert policy.spec.replan == 1


@pytest.mark.libero
def test_on_real_libero(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompatibleError, match="64×64"):
        execute(RunRequest(load_suite("libero-object"), f"lerobot:{checkpoint}", tasks="0", episodes=1, out=tmp_path))
    suite = load_suite("libero-object", ["protocol.resolution=64", "protocol.max_steps=8"])
    outcome = execute(RunRequest(suite, f"lerobot:{checkpoint}", tasks="0", episodes=1, out=tmp_path))
    assert [(result.outcome, result.queries) for result in outcome.results] == [("failure", 2)]
