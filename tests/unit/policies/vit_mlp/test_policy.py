"""ViT + MLP as a policy: batches, words, and checkpoints that are none of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from mmact_eval.cli import cli
from mmact_eval.config.suite_file import load_suite
from mmact_eval.conformance import check_policy
from mmact_eval.envs.calvin.spec import env_spec as calvin_spec
from mmact_eval.envs.libero.spec import env_spec as libero_spec
from mmact_eval.errors import UsageError
from mmact_eval.policies.vit_mlp.inputs import executed, normalized, statistics
from mmact_eval.policies.vit_mlp.policy import make_policy
from mmact_eval.policies.vit_mlp.words import NOTHING, UNKNOWN, Words, learned
from mmact_eval.registry import env_plugin
from mmact_eval.types import Episode, Observation, Query

LIBERO = libero_spec(load_suite("libero-object"))
CALVIN = calvin_spec(load_suite("calvin-d-d"))
KNOWN = "pick up the alphabet soup and place it in the basket"


def query(number: int = 0, instruction: str = KNOWN) -> Query:
    rng = np.random.default_rng(number)
    images = {camera: rng.integers(0, 256, (48, 64, 3), np.uint8) for camera in ("agentview", "wrist")}
    state = {"eef_pos": rng.normal(size=3), "eef_axis_angle": rng.normal(size=3), "gripper_qpos": rng.normal(size=2)}
    seen = Observation(images, state, instruction)
    return Query(seen, Episode("libero-object", f"task{number}", number, 0), 0)


def test_it_keeps_what_the_protocols_promise(checkpoint: Path) -> None:
    report = check_policy(make_policy(LIBERO, checkpoint=str(checkpoint)), LIBERO, episodes=2, queries=2)
    assert {finding.name for finding in report.findings if finding.status == "skipped"} <= {"close"}
    assert not [finding for finding in report.findings if finding.status == "failed"]


def test_a_batch_of_three_is_three_queries(checkpoint: Path) -> None:
    policy = make_policy(LIBERO, checkpoint=str(checkpoint), device="cpu")
    queries = [query(number) for number in range(3)]
    together = policy.act(queries)
    alone = [policy.act([asked])[0] for asked in reversed(queries)][::-1]
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours.actions, theirs.actions, atol=1e-5)
        np.testing.assert_array_equal(policy.act([queries[0]])[0].actions, alone[0].actions)
    assert together[0].actions.shape == (8, 7)
    assert np.abs(together[0].actions - together[1].actions).max() > 1e-3
    assert set(together[0].actions[:, -1]) <= {-1.0, 1.0}


def test_what_is_said_is_heard_and_unknown_words_are_told(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = make_policy(LIBERO, checkpoint=str(checkpoint), device="cpu")
    (known,) = policy.act([query()])
    assert not known.extras
    (other,) = policy.act([query(instruction="pick up the basket and place it in the soup")])
    assert np.abs(known.actions - other.actions).max() > 1e-6
    assert not capsys.readouterr().err
    for _ in range(2):
        (strange,) = policy.act([query(instruction="Pick up the ALPHABET soup, and juggle it")])
        assert strange.extras == {"figures": {"unknown_words": 2.0}}
    assert capsys.readouterr().err.count("juggle") == 1 + 1  # once in the sentence, once as a word


def test_words_of_an_instruction_and_what_is_left_of_it() -> None:
    known, slots = learned(["open the drawer", "Put it in the drawer."])
    assert (known, slots) == ((".", "drawer", "in", "it", "open", "put", "the"), 6)
    words = Words(known, 4)
    assert words.encode("open the fridge").tolist() == [6, 8, UNKNOWN, NOTHING]
    assert words.unread("open the fridge") == ["fridge"]
    assert words.unread("Put it in the drawer.") == ["drawer", "."]  # too far behind
    assert words.encode("").tolist() == [NOTHING] * 4


def test_states_are_normalized_and_actions_are_what_the_robot_takes() -> None:
    states = np.array([[0.1, 2.0], [0.3, 2.0]])
    mean, std = statistics(states)
    np.testing.assert_allclose(normalized(states, mean, std), [[-1, 0], [1, 0]], atol=1e-6)
    np.testing.assert_array_equal(normalized(np.array([9.0, 2.5]), mean, std), [5, 5])
    done = executed(np.array([[1.4, -2, 0.25, 0, 0, 0, 0.1], [0, 0, 0, 0, 0, 0, -0.6]], np.float32))
    np.testing.assert_array_equal(done[0], np.array([1, -1, 0.25, 0, 0, 0, 1], np.float32))
    assert done[1, -1] == -1


def broken(checkpoint: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> str:
    """A copy whose config.json was changed."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("word_slots"), "word_slots: required field is missing"),
        (lambda config: config["size"].update(heads=3), "a width of 32 cannot be divided into 3 heads"),
        (lambda config: config["state_std"].pop(), "8 means of the state and 7 deviations"),
        (lambda config: config.update(model_type="llada"), "its model_type is 'llada'; is it for another policy"),
        (lambda config: config.update(robot="calvin"), "was trained for calvin's robot, and libero has libero's"),
        (lambda config: config["words"].append("more"), "1 misshapen: words.weight"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_a_line(
    checkpoint: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        make_policy(LIBERO, checkpoint=broken(checkpoint, tmp_path / "broken", change))
    assert "\n" not in str(refused.value)


def test_a_checkpoint_that_lacks_something_is_refused_in_a_line(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "less"
    shutil.copytree(checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if name != "head.0.bias"}, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"1 missing: head\.0\.bias"):
        make_policy(LIBERO, checkpoint=str(folder))
    tensors["head.0.bias"] = torch.full_like(tensors["head.0.bias"], torch.nan)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"NaN or infinity in head\.0\.bias"):
        make_policy(LIBERO, checkpoint=str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError) as refused:
        make_policy(LIBERO, checkpoint=str(folder))
    assert "\n" not in str(refused.value)
    (folder / "config.json").unlink()
    with pytest.raises(UsageError, match=r"no checkpoint of vit-mlp: it has no config\.json"):
        make_policy(LIBERO, checkpoint=str(folder))


def test_what_cannot_be_is_refused_before_anything_is_loaded(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=r"vit-mlp comes with no weights.*new-checkpoint"):
        make_policy(LIBERO)
    with pytest.raises(UsageError, match="replan must be a whole number from 1 to 8, got 9"):
        make_policy(LIBERO, checkpoint=str(checkpoint), replan=9)
    toy = load_suite("toy")
    with pytest.raises(UsageError, match=r"acts with 7 numbers .* toy takes"):
        make_policy(env_plugin(toy.env).spec(toy), checkpoint=str(checkpoint))


def test_the_fingerprint_has_the_weights_content(checkpoint: Path, tmp_path: Path) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    shutil.copytree(checkpoint, same)
    shutil.copytree(checkpoint, other)
    tensors = load_file(other / "model.safetensors")
    tensors["readouts"][0, 0] += 1e-3
    save_file(tensors, other / "model.safetensors")
    specs = [make_policy(LIBERO, checkpoint=str(folder)).spec for folder in (checkpoint, same, other)]
    hashes = [spec.checkpoint.rpartition("@")[2] for spec in specs]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(("robot", "spec"), [("libero", LIBERO), ("calvin", CALVIN)])
def test_the_command_writes_weights_that_say_that_they_are_random(robot: str, spec: Any, tmp_path: Path) -> None:
    out = tmp_path / "new"
    arguments = ["vit-mlp", "new-checkpoint", "--robot", robot, "--out", str(out)]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    assert "random weights" in result.output
    policy = make_policy(spec, checkpoint=str(out))
    assert (policy.spec.name, policy.spec.not_real) == ("vit-mlp-random", "random weights")
    assert sum(tensor.numel() for tensor in load_file(out / "model.safetensors").values()) == pytest.approx(
        2.0e6, rel=0.1
    )
    report = check_policy(policy, spec, episodes=2, queries=2)
    assert not [finding for finding in report.findings if finding.status == "failed"]
    with pytest.raises(UsageError, match="not an empty folder"):
        CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
