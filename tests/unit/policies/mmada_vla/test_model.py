"""The loaded model: what it answers, with which attention, at which steps, and what it refuses to load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmada_vla import load
from mmact_eval.policies.mmada_vla.bins import to_actions
from mmact_eval.policies.mmada_vla.config import ModelConfig, args_json, config_json, parse_config
from mmact_eval.policies.mmada_vla.model import Example, MMaDAVLA, Record
from mmact_eval.policies.mmada_vla.vocabulary import vocabulary

STATE = np.linspace(-1.0, 1.0, 8)
Codes = NDArray[np.int64]


def test_pictures_become_codes_and_codes_pictures(model: MMaDAVLA, views: list[NDArray[np.uint8]]) -> None:
    codes = model.image_codes(views)
    assert codes.shape == (256,)
    assert codes.dtype == np.int64
    assert np.array_equal(model.prompt(views, "go", STATE)[0], model.prompt(codes, "go", STATE)[0])
    picture = model.decode_image(codes)
    assert picture.shape == (256, 256, 3)
    assert np.abs(picture).max() <= 1.0
    with pytest.raises(UsageError, match="256 codes"):
        model.decode_image(codes[:9])


def test_an_answer_is_a_chunk_and_a_goal_and_follows_from_the_seed(model: MMaDAVLA, codes: Codes) -> None:
    actions, goal = model.generate(codes, "push the block", STATE, steps=4, seed=3)
    assert actions.shape == (5, 7)
    assert set(actions[:, 6]) <= {-1.0, 1.0}
    assert goal.shape == (256,)
    again = model.generate(codes, "push the block", STATE, steps=4, seed=3)
    assert np.array_equal(actions, again[0])
    assert np.array_equal(goal, again[1])
    other = model.generate(codes, "push the block", STATE, steps=4, seed=4)
    assert not np.array_equal(goal, other[1])


def test_the_median_is_of_actions_and_the_goal_is_drawn_all_the_same(model: MMaDAVLA, codes: Codes) -> None:
    answers = [model.generate(codes, "go", STATE, steps=1, seed=seed, decoding="median") for seed in (1, 2)]
    logits = model.logits(codes, "go", STATE)[1].astype(np.float64)
    chances = np.exp(logits - logits.max(-1, keepdims=True))
    middle = (np.cumsum(chances / chances.sum(-1, keepdims=True), -1) < 0.5).sum(-1)
    expected = to_actions(middle.reshape(5, 7), model.statistics, model.robot, 256)
    assert all(np.array_equal(actions, expected) for actions, _ in answers)
    assert not np.array_equal(answers[0][1], answers[1][1])


def test_several_at_once_are_answered_as_each_alone(hybrid: MMaDAVLA, codes: Codes) -> None:
    examples = [Example(codes, "push", STATE), Example(codes[::-1].copy(), "lift the red block", STATE * 0.5)]
    together = hybrid.chunks(examples, [1, 2], steps=3, refresh=1)
    for example, seed, (actions, goal) in zip(examples, (1, 2), together, strict=True):
        alone = hybrid.generate(example.images, example.instruction, example.state, steps=3, seed=seed, refresh=1)
        assert np.array_equal(actions, alone[0])
        assert np.array_equal(goal, alone[1])


def test_draws_are_asked_for_in_the_released_order_and_decide(model: MMaDAVLA, codes: Codes) -> None:
    asked: list[tuple[str, str, int, tuple[int, ...]]] = []

    def draws(kind: str, block: str, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        asked.append((kind, block, step, shape))
        rng = np.random.default_rng([len(kind), len(block), step])
        return (rng.exponential if kind == "sample" else rng.random)(size=shape).astype(np.float32)

    first, second = (model.generate(codes, "go", STATE, steps=2, seed=seed, draws=draws) for seed in (0, 1))
    assert np.array_equal(first[1], second[1])
    assert asked[: len(asked) // 2] == [
        ("sample", "action", 0, (35, 256)),
        ("sample", "goal", 0, (256, 8192)),
        ("keep", "action", 0, (35,)),
        ("keep", "goal", 0, (256,)),
        ("sample", "action", 1, (35, 256)),
        ("sample", "goal", 1, (256, 8192)),
    ]


def test_the_released_code_makes_four_passes_in_24_steps(
    model: MMaDAVLA, codes: Codes, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes, forward = list[object](), model.predictor.forward

    def counted(*given: object) -> object:
        passes.append(given)
        return forward(*given)

    monkeypatch.setattr(model.predictor, "forward", counted)
    record: Record = []
    _, goal = model.generate(codes, "go", STATE, record=record)
    assert len(passes) == 4
    assert [int(step["action"][1].sum()) for step in record[-4:]] == [6, 4, 2, 0]
    assert [int(step["goal"][1].sum()) for step in record[:3]] == [255, 253, 251]
    assert np.array_equal(record[-1]["goal"][0], goal)


def test_with_the_papers_attention_a_goal_does_not_see_the_actions_and_nobody_pads(
    model: MMaDAVLA, hybrid: MMaDAVLA, codes: Codes
) -> None:
    import torch

    from mmact_eval.policies.llada.decoding import UNKNOWN

    for asked, sees in ((model, True), (hybrid, False)):
        batch = asked._batch([asked._prompt(Example(codes, "go", np.zeros(8)))])  # short: some pads remain
        unknown = [torch.full((1, length), UNKNOWN) for length in (35, 256)]
        told = [torch.zeros(1, 35, dtype=torch.long), unknown[1]]
        pads = batch.ids == 126093
        other = type(batch)(batch.ids.masked_fill(pads, 5), batch.attention, batch.block, batch.mask_id)
        assert pads.any()
        with torch.inference_mode():
            goal, goal_told, goal_other = (
                asked._ask(*given)(known)[1]
                for given, known in (((batch,), unknown), ((batch,), told), ((other,), unknown))
            )
        assert torch.equal(goal, goal_told) is not sees
        assert torch.equal(goal, goal_other) is not sees
    assert not np.array_equal(model.logits(codes, "go", STATE)[0], hybrid.logits(codes, "go", STATE)[0])


def test_logits_are_of_the_codes_and_of_the_bins(model: MMaDAVLA, codes: Codes) -> None:
    goal, action = model.logits(codes, "go", STATE)
    assert (goal.shape, action.shape) == ((256, 8192), (35, 256))
    assert goal.dtype == action.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"refresh": 0}, "refresh"),
        ({"noise": -1.0}, "noise"),
        ({"temperature": np.nan}, "NaN"),
        ({"decoding": "middle"}, "sample or median"),
    ],
)
def test_senseless_options_are_refused(model: MMaDAVLA, codes: Codes, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        model.generate(codes, "go", STATE, **options)


# Loading


def test_a_config_is_read_as_it_is_written() -> None:
    small = vocabulary(400 + 64 + 32, 64, 32, 400, 16)
    ours = ModelConfig(vocabulary=small, goal=False, attention="hybrid", state="none", state_decimals=2, text_slot=30)
    binned = [ModelConfig(state="bins", state_ranges=((-1.0, 0.5),) * width) for width in (8, 15)]
    for config in (ModelConfig(), ModelConfig(chunk=10), ours, *binned):
        written = json.loads(json.dumps(config_json(config, "bfloat16")))
        assert parse_config(written, args_json(config)) == config
        assert ("state_ranges" in written) is (config.state == "bins")
    assert config_json(ModelConfig(), "bfloat16")["action_num_vq_tokens"] == 35


@pytest.mark.parametrize(
    ("config", "args", "words"),
    [
        ({"model_type": "mmact"}, {}, 'model_type must be "mmadavla"'),
        ({"vision_num_vq_tokens": 1024}, {}, "vision_num_vq_tokens is 1024, and only 256 is supported"),
        ({"action_num_vq_tokens": 70}, {}, r"action_num_vq_tokens is 70, and a chunk of 5 actions .* has 35"),
        ({"action_num_vq_tokens": 36}, {"action_chunk_size": 5}, "has 35"),
        ({"rope": False}, {}, "rope is False"),
        ({"vocab_size": 134000, "embedding_size": 134000}, {}, "134000 ids do not hold"),
        ({}, {"max_text_len": 1}, "max_text_len"),
        ({"goal": 1}, {}, "goal must be true or false, got 1"),
        ({"attention": "causal"}, {}, 'attention must be "full" or "hybrid"'),
        ({"state": None}, {}, 'state must be "text" or "none"'),
        ({"state_decimals": -1}, {}, "state_decimals must be 0 to 17"),
        ({"state": "bins"}, {}, 'state_ranges and "state": "bins" need each other'),
        ({"state_ranges": [[0, 1]] * 8}, {}, 'state_ranges and "state": "bins" need each other'),
        ({"state": "bins", "state_ranges": [[0, 1]] * 7}, {}, "state_ranges must be 8 or 15 pairs"),
        ({"state": "bins", "state_ranges": [[0, 1]] * 7 + [[1, 0]]}, {}, "state_ranges must be 8 or 15 pairs"),
        ({"state": "bins", "state_ranges": [[0, 1]] * 7 + [[0, np.inf]]}, {}, "state_ranges must be 8 or 15 pairs"),
        ({"state": "bins", "state_ranges": [[0, 1]] * 7 + [[0, True]]}, {}, "state_ranges must be 8 or 15 pairs"),
        ({"state": "bins", "state_ranges": {"low": 0}}, {}, "state_ranges must be 8 or 15 pairs"),
    ],
)
def test_another_model_is_refused(config: dict[str, Any], args: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_config(config_json(ModelConfig(), "bfloat16") | config, args_json(ModelConfig()) | args)


def test_random_weights_say_so_and_what_is_missing_is_named(model: MMaDAVLA, checkpoint: Path, tmp_path: Path) -> None:
    assert model.not_real == "random weights"
    folder = tmp_path / "model"
    shutil.copytree(checkpoint / "model", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    where: dict[str, Any] = {"quantizer": checkpoint / "quantizer", "device": "cpu"}
    with pytest.raises(UsageError, match="has no weights"):
        load(folder, **where)
    with pytest.raises(UsageError, match="attention must be full or hybrid"):
        load(folder, attention="causal", **where)
    with pytest.raises(UsageError, match="robot must be libero or calvin"):
        load(folder, robot="aloha", **where)
    (folder / "action_stats_5chunk.json").unlink()
    with pytest.raises(UsageError, match=r"no .*action_stats_5chunk\.json"):
        load(folder, **where)
    (folder / "action_stats_5chunk.json").write_text(json.dumps({"libero": {"q01": [0] * 7, "q99": [1] * 7}}))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"is no MMaDA-VLA checkpoint: it has no tokenizer\.json"):
        load(folder, tokenizer=checkpoint / "quantizer", **where)
