"""A training as a whole: it learns, it goes on where it stopped, and what it writes is a checkpoint like any other."""

from __future__ import annotations

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
from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.own_defaults import OWN
from mmact_eval.policies.llada.training import pipeline
from mmact_eval.policies.llada.training.data.moments import Moments
from mmact_eval.policies.llada.training.families import configured
from mmact_eval.policies.mmada_vla import load
from mmact_eval.policies.mmada_vla.model import MMaDAVLA
from mmact_eval.policies.mmada_vla.training.family import FAMILY
from mmact_eval.policies.mmada_vla.training.settings import Training

from .conftest import TINY

Settings = Callable[..., Training]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def train(what: Training, out: Path) -> tuple[Path, list[str]]:
    said: list[str] = []
    trained = pipeline.train(FAMILY, what, out, "cpu", False, said.append)
    assert trained.checkpoint is not None
    return trained.checkpoint, said


def loaded(checkpoint: Path, **options: Any) -> MMaDAVLA:
    return load(checkpoint / "model", checkpoint / "quantizer", device="cpu", **options)


def views() -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(2)]


@pytest.mark.parametrize("state", [{"state_decimals": 2}, {"state": "bins", "text_tokens": 600}])
def test_a_handful_of_frames_is_learned_by_heart(
    make_data: Callable[..., Path], settings: Settings, moments: Moments, tmp_path: Path, state: dict[str, Any]
) -> None:
    optimizer = {"rate": 0.004, "warmup": 20}
    act = {"steps": 200, "weights": {"action": 1, "goal": 0.2}, "batch": 8, "optimizer": optimizer}
    what = settings(
        make_data(starts=1), stages={"act": act}, held_out=0.0, report_every=200, save_every=200, loss="parts",
        full_masks=0.5, whole_chunks=False, max_text_len=None, **state,
        quantizer={**TINY["quantizer"], "steps": 40, "optimizer": optimizer},
    )  # fmt: skip
    checkpoint, _ = train(what, tmp_path)
    model = loaded(checkpoint)
    (cache,) = (tmp_path / "cache").glob("frames-*")
    truth, codes, states = (np.load(cache / f"{name}.npy") for name in ("actions", "pixels", "states"))
    words = np.load(cache / "instructions.npy")[np.load(cache / "instruction.npy")]
    for place in range(6):
        seen = model.quantizer.encode(torch.from_numpy(codes[place, 0]).permute(2, 0, 1)[None].float() / 127.5 - 1)
        chunk, goal = model.generate(seen[0].numpy(), str(words[place]), states[place].astype(float), temperature=0.0)
        off = np.abs(chunk - truth[place])
        assert np.quantile(off, 0.9) < 0.1
        assert model.decode_image(goal).shape == (32, 32, 3)


@pytest.mark.parametrize("state", [{}, {"state": "bins", "text_tokens": 600}])
def test_a_training_that_was_interrupted_ends_with_the_same_bits(
    settings: Settings, tmp_path: Path, state: dict[str, Any]
) -> None:
    what = settings(**state)
    whole, _ = train(what, tmp_path / "whole")

    class Interrupted(Exception): ...

    def stop(line: str) -> None:
        if line.startswith("act 4/4"):
            raise Interrupted

    with pytest.raises(Interrupted):
        pipeline.train(FAMILY, what, tmp_path / "parts", "cpu", False, stop)
    parts, said = train(what, tmp_path / "parts")
    assert any(line.startswith("goes on after step 2 of stage 1") for line in said)
    tensors = [load_file(folder / "model" / "model.safetensors") for folder in (whole, parts)]
    for name, tensor in tensors[0].items():
        assert torch.equal(tensors[1][name], tensor), name
    logs = [
        [{**json.loads(line), "steps_per_second": 0} for line in (tmp_path / run / "goal" / "log.jsonl").open()]
        for run in ("whole", "parts")
    ]
    assert logs[0] == logs[1]
    assert {"loss", "held_out", "right", "off"} <= set(logs[0][-1]["action"])
    assert {"loss", "held_out", "right"} <= set(logs[0][-1]["goal"])


def test_rollouts_that_were_interrupted_are_run_by_the_same_command(settings: Settings, tmp_path: Path) -> None:
    what = settings(rollouts={"every": 2, "last": True})
    measured: list[str] = []

    def measure(asked: Any, checkpoint: Path, out: Path) -> str:
        assert (checkpoint / "model").is_dir()
        measured.append(out.name)
        if len(measured) in (1, 3):
            raise KeyboardInterrupt
        return "rollouts"

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pipeline.train(FAMILY, what, tmp_path, "cpu", False, lambda _: None, measure)
    pipeline.train(FAMILY, what, tmp_path, "cpu", False, lambda _: None, measure)
    assert measured == ["step-000002", "step-000002", "step-000004", "step-000004"]


def test_a_suite_for_rollouts_that_does_not_exist_is_told_before_the_training(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match='no suite "nope"'):
        train(settings(rollouts={"last": True, "suite": "nope"}), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "variant"),
    [
        ({}, "goal"),
        ({"goal": False}, "no-goal"),
        ({"attention": "hybrid", "state": "none"}, "goal-hybrid"),
        ({"goal": False, "attention": "hybrid", "state_decimals": 2, "max_text_len": None}, "no-goal-hybrid"),
        ({"state": "bins", "text_tokens": 600}, "goal"),
    ],
)
def test_a_checkpoint_is_asked_as_it_was_trained(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], variant: str
) -> None:
    what = settings(**changes, decoding={"temperature": 0.5})
    checkpoint, _ = train(what, tmp_path)
    assert checkpoint == tmp_path / variant / "checkpoint"
    config = json.loads((checkpoint / "model" / "config.json").read_text())
    assert config["model_type"] == "mmadavla"
    assert {name: config.get(name) for name in ("goal", "attention", "state", "state_decimals")} == {
        **dict.fromkeys(("goal", "attention", "state", "state_decimals")),
        **{name: value for name, value in changes.items() if name not in ("max_text_len", "text_tokens")},
    }
    arguments = json.loads((checkpoint / "model" / "args.json").read_text())
    assert arguments["action_chunk_size"] == 4
    assert (arguments["max_text_len"] < 60) if "max_text_len" in changes else arguments["max_text_len"] == 128
    assert config[OWN] == {
        "name": "made-up" if variant == "goal" else f"made-up-{variant}",
        "attention": changes.get("attention", "full"),
        "steps": 24, "refresh": 6, "decoding": "sample", "temperature": 0.5, "noise": 1.0,
        "trained_on": {"libero-object": "0-2"},
    }  # fmt: skip

    model = loaded(checkpoint)
    assert model.attention == what.attention
    assert (model.config.goal, model.config.state, model.not_real) == (what.goal, what.state, "")
    state = np.linspace(-1, 1, 8)
    chunk, goal = model.generate(views(), "push the square up", state)
    assert chunk.shape == (4, 7)
    assert set(chunk[:, 6]) <= {-1.0, 1.0}
    assert goal.shape == ((16,) if what.goal else (0,))
    assert model.logits(views(), "push", state)[0].shape == ((16, 64) if what.goal else (0, 64))
    (together,) = model.chunks([_example(state)], [0])
    np.testing.assert_array_equal(together[0], model.generate(views(), "go", state)[0])
    other = loaded(checkpoint, attention="full" if what.attention == "hybrid" else "hybrid")
    assert other.attention != what.attention


def _example(state: np.ndarray[Any, Any]) -> Any:
    from mmact_eval.policies.mmada_vla.model import Example

    return Example(views(), "go", state)


def test_other_settings_do_not_go_on_and_variants_share_tokenizers(settings: Settings, tmp_path: Path) -> None:
    train(settings(), tmp_path)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "quantizer").iterdir()}
    _, said = train(settings(goal=False), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "quantizer").iterdir()} == made
    assert not any("image tokenizer, step" in line for line in said)
    with pytest.raises(UsageError, match="training with other settings or other data"):
        train(settings(loss="parts"), tmp_path)
    with pytest.raises(UsageError, match="image tokenizer of other settings"):
        train(settings(chunk=8), tmp_path)


def test_the_command_reads_the_family_and_says_what_runs_it(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump({**TINY, "data": [str(data)]}))
    arguments = ["train", str(config), "--out", str(tmp_path / "out"), "--set", "goal=false", "--device", "cpu"]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert result.exception is None, result.output
    checkpoint = tmp_path / "out" / "no-goal" / "checkpoint"
    assert f"--policy mmada-vla --policy-args checkpoint={checkpoint}" in result.output
    assert loaded(checkpoint).config.chunk == 4
    shown = CliRunner().invoke(cli, ["train", "--help"]).output
    assert "mmada-nano" in shown
    assert "MMaDA-VLA" in shown


def test_both_families_have_configurations_with_names() -> None:
    family, nano = configured("nano", ())
    assert (family.name, nano.family) == ("mmact", "mmact")
    family, mmada = configured("MMADA_nano", ("stages.act.steps=7",))
    assert (family.name, mmada.planned["act"].steps) == ("mmada-vla", 7)
    sizes = ("d_model", "n_layers", "n_heads", "mlp_hidden_size", "rope_theta")
    assert [getattr(mmada.model, name) for name in sizes] == [getattr(nano.model, name) for name in sizes]
    assert configured("mmada-nano", ())[1].planned["act"].steps == nano.planned["act"].steps


@pytest.mark.parametrize(
    ("name", "override", "words"),
    [
        ("mmada-nan", "seed=1", r'no training configuration "mmada-nan".* Did you mean "mmada-nano".*mmada-nano, nano'),
        ("mmada-nano", "family=mmada", r'--set family=mmada.*no family .mmada..* Did you mean "mmada-vla"'),
        ("nano", "family=mmada-vla", "variant"),
        ("mmada-nano", "variant=text", "variant"),
        ("mmada-nano", "stages.act.weights.action=0", "no stage trains actions"),
        ("mmada-nano", "stages.act.weights.goal=0", "say goal: false"),
        ("mmada-nano", "stages.act.weights={action: 0, goal: 0}", "trains nothing"),
        ("mmada-nano", "attention=causal", "attention"),
        ("mmada-nano", "chunk=0", "chunk"),
        ("mmada-nano", "max_text_len=1", "max_text_len"),
        ("mmada-nano", "model.bins=2", "bins"),
    ],
)
def test_mistakes_are_named(name: str, override: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        configured(name, (override,))
