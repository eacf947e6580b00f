"""The whole model on random weights: the fast ways give what the plain way gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import load_file, save_file

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.logits import unknown_block
from mmact_eval.policies.mmact import load
from mmact_eval.policies.mmact.model import MMACT, Example
from mmact_eval.policies.mmact.packing import pack

Views = list[NDArray[np.uint8]]
INSTRUCTIONS = ("close the drawer", "pick up the black bowl and place it on the plate", "Öffne!")
ARMS = [(2, np.linspace(-1, 1, 8)), (3, np.linspace(-1.5, 1, 16))]


def plain_logits(model: MMACT, views: Views, instruction: str, state: ArrayLike) -> NDArray[np.float32]:
    """All logits of the padded sequence under the published mask, cut to the action block afterwards."""
    ids, mask, start = model.action_prompt(views, instruction, state)
    real = torch.from_numpy(mask)[None]
    with torch.inference_mode():
        hidden = model.predictor(torch.from_numpy(ids)[None], (real[:, :, None] & real[:, None, :])[:, None])
        logits = model.predictor.logits(hidden)[0]
    assert logits.shape == (len(ids), 136704)
    dim = 7 if len(ids) == 1024 else 16
    cut: NDArray[np.float32] = logits[start + 1 : start + 1 + 8 * dim, 134656:].numpy()
    return cut


@pytest.mark.parametrize(("count", "state"), ARMS)
def test_no_pads_and_part_of_the_head_give_the_plain_logits(
    model: MMACT, views: Views, count: int, state: ArrayLike
) -> None:
    found = model.action_logits(views[:count], INSTRUCTIONS[1], state)
    np.testing.assert_allclose(found, plain_logits(model, views[:count], INSTRUCTIONS[1], state), atol=1e-4)
    assert found.std() > 0.1


@pytest.mark.parametrize(("count", "state"), ARMS)
def test_a_batch_of_different_lengths_gives_what_one_by_one_gives(
    model: MMACT, views: Views, count: int, state: ArrayLike
) -> None:
    examples = [Example(views[:count], instruction, state) for instruction in INSTRUCTIONS]
    batch = pack([model._action_prompt(example) for example in examples], model.device)
    assert batch.attention is not None
    with torch.inference_mode():
        together = model._action_logits(batch)(unknown_block(batch))
    for row, example in zip(together.numpy(), examples, strict=True):
        alone = model.action_logits(example.images, example.instruction, state)
        np.testing.assert_allclose(row, alone, atol=1e-4)
    for steps in (1, 3):
        chunks = model.action_chunks(examples, [3, 4, 5], steps=steps)
        for chunk, example, seed in zip(chunks, examples, (3, 4, 5), strict=True):
            alone = model.actions(example.images, example.instruction, state, steps=steps, seed=seed)
            np.testing.assert_array_equal(chunk, alone)


@pytest.mark.parametrize(("count", "state", "dim"), [(2, np.zeros(8), 7), (3, np.zeros(16), 16)])
def test_actions_have_the_embodiments_shape_and_depend_on_the_seed(
    model: MMACT, views: Views, count: int, state: ArrayLike, dim: int
) -> None:
    first = model.actions(views[:count], INSTRUCTIONS[0], state)
    assert first.shape == (8, dim)
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1
    np.testing.assert_array_equal(first, model.actions(views[:count], INSTRUCTIONS[0], state, seed=0))
    assert (first != model.actions(views[:count], INSTRUCTIONS[0], state, seed=1)).any()
    # The first step of a long decoding is the same draw, but most of it is drawn again.
    assert (first != model.actions(views[:count], INSTRUCTIONS[0], state, steps=4)).any()


def test_temperature_0_is_the_argmax_time_major(model: MMACT, views: Views) -> None:
    best = model.action_logits(views[:2], INSTRUCTIONS[0], np.zeros(8)).argmax(-1)
    actions = model.actions(views[:2], INSTRUCTIONS[0], np.zeros(8), temperature=0, seed=3)
    np.testing.assert_allclose(actions, (best / 2047 * 2 - 1).reshape(8, 7), atol=1e-6)


def test_everything_that_is_asked_matters(model: MMACT, views: Views) -> None:
    base = model.action_logits(views[:2], INSTRUCTIONS[0], np.zeros(8))
    others = [
        model.action_logits([views[1], views[0]], INSTRUCTIONS[0], np.zeros(8)),
        model.action_logits(views[:2], INSTRUCTIONS[1], np.zeros(8)),
        model.action_logits(views[:2], INSTRUCTIONS[0], np.full(8, 0.5)),
    ]
    for other in others:
        assert np.abs(base - other).max() > 0.05


def test_an_additive_pad_mask_lets_pads_in(checkpoint: Path, model: MMACT, views: Views) -> None:
    soft = load(checkpoint / "model", checkpoint / "quantizer", "cpu", "float32", pad_mask="additive")
    ids, mask, start = soft.action_prompt(views[:2], INSTRUCTIONS[0], np.zeros(8))
    real = torch.from_numpy(mask)[None].float()
    with torch.inference_mode():
        hidden = soft.predictor(torch.from_numpy(ids)[None], (real[:, :, None] * real[:, None, :])[:, None])
        expected = soft.predictor.logits(hidden)[0, start + 1 : start + 57, 134656:]
    found = soft.action_logits(views[:2], INSTRUCTIONS[0], np.zeros(8))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    assert np.abs(found - model.action_logits(views[:2], INSTRUCTIONS[0], np.zeros(8))).max() > 0.01
    examples = [Example(views[:2], instruction, np.zeros(8)) for instruction in INSTRUCTIONS[:2]]
    chunks = soft.action_chunks(examples, [1, 2])
    np.testing.assert_array_equal(chunks[1], soft.actions(views[:2], INSTRUCTIONS[1], np.zeros(8), seed=2))


def test_text_in_a_batch_and_alone_guided_and_not(model: MMACT, views: Views) -> None:
    examples = [Example(views[:2], instruction) for instruction in INSTRUCTIONS[:2]]
    for guidance in (0.0, 1.0):
        options = {"steps": 2, "guidance": guidance, "tokens": 8}
        together = model.text_tokens(examples, [0, 1], **options)  # type: ignore[arg-type]
        alone = model.text_tokens(examples[1:], [1], **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(together[1], alone[0])
    assert isinstance(model.generate_text(views[:2], INSTRUCTIONS[0], steps=1, tokens=4), str)


def test_pictures_in_a_batch_and_alone_guided_and_not(model: MMACT, views: Views) -> None:
    examples = [Example(views[:2], instruction) for instruction in INSTRUCTIONS[:2]]
    for guidance in (0.0, 2.0):
        together = model.picture_codes(examples, [0, 1], steps=2, guidance=guidance, noise=1.0)
        alone = model.picture_codes(examples[1:], [1], steps=2, guidance=guidance, noise=1.0)
        np.testing.assert_array_equal(together[1], alone[0])
    picture = model.generate_image(views[:2], INSTRUCTIONS[0], steps=1)
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8


def test_random_weights_say_so(model: MMACT) -> None:
    assert model.not_real == "random weights"


def test_senseless_questions_are_refused(model: MMACT, views: Views) -> None:
    one, two = Example(views[:2], "x", np.zeros(8)), Example(views, "x", np.zeros(16))
    with pytest.raises(UsageError, match="separate batches"):
        model.action_chunks([one, two], [0, 0])
    with pytest.raises(UsageError, match="one seed for each example, got 1 and 2"):
        model.action_chunks([one], [0, 0])
    with pytest.raises(UsageError, match="steps ≥ 1, got 0"):
        model.actions(views[:2], "x", np.zeros(8), steps=0)
    with pytest.raises(UsageError, match="must not be negative"):
        model.actions(views[:2], "x", np.zeros(8), temperature=-1)
    with pytest.raises(UsageError, match="must not be negative, NaN or infinite"):
        model.actions(views[:2], "x", np.zeros(8), noise=float("nan"))
    with pytest.raises(UsageError, match="needs a state"):
        model.action_chunks([Example(views[:2], "x")], [0])
    with pytest.raises(UsageError, match="2 views, got 3"):
        model.actions(views, "x", np.zeros(8))
    with pytest.raises(UsageError, match="in 1 to 8 steps, got 9"):
        model.generate_text(views[:2], "x", steps=9, tokens=8)
    with pytest.raises(UsageError, match="the model's limit is 4096"):
        model.generate_text(views[:2], "x", tokens=4000)


def test_a_model_that_overflows_gives_no_actions_text_or_pictures(
    model: MMACT, checkpoint: Path, tmp_path: Path, views: Views
) -> None:
    shutil.copytree(checkpoint / "model", tmp_path / "model")
    tensors = load_file(checkpoint / "model" / "model.safetensors")
    for name in ("up_proj", "ff_proj", "ff_out"):  # 1e4 each is a float16, and their product is not
        tensors[f"model.transformer.blocks.0.{name}.weight"] *= 1e4
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    narrow = load(tmp_path / "model", checkpoint / "quantizer", device="cpu", dtype="float16")
    narrow.image_codes = model.image_codes  # type: ignore[method-assign]
    for ask in (
        lambda: narrow.actions(views[:2], "x", np.zeros(8)),
        lambda: narrow.actions(views[:2], "x", np.zeros(8), temperature=0.0),
        lambda: narrow.actions(views[:2], "x", np.zeros(8), median=True),
        lambda: narrow.generate_text(views[:2], "x", tokens=8, steps=2),
        lambda: narrow.generate_image(views[:2], "x", steps=1),
        lambda: narrow.generate_image(views[:2], "x", steps=1, guidance=1.0),
    ):
        with pytest.raises(FloatingPointError, match="if dtype is float16, take bfloat16 or float32"):
            ask()
    wide = load(tmp_path / "model", checkpoint / "quantizer", device="cpu", dtype="float32")
    wide.image_codes = model.image_codes  # type: ignore[method-assign]
    assert len(np.unique(wide.actions(views[:2], "x", np.zeros(8)))) > 1


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import mmact_eval.policies.mmact, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
