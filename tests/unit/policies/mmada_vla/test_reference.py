"""Decoding against the published description of it, written down a second time, place by place; and published sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mmact_eval.policies.llada.schedule import compounding
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.mmada_vla.bins import to_actions
from mmact_eval.policies.mmada_vla.config import ModelConfig
from mmact_eval.policies.mmada_vla.model import MMaDAVLA, Record

MASK = 126336
STATE = np.zeros(8)


def draws(kind: str, block: str, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    rng = np.random.default_rng([len(kind), len(block), step])
    return (rng.exponential if kind == "sample" else rng.random)(size=shape).astype(np.float32)


def described(
    model: MMaDAVLA, ids: NDArray[np.int64], steps: int, refresh: int
) -> tuple[list[dict[str, list[int]]], list[dict[str, list[int]]]]:
    """What each step draws, and which places it masks again, by the description."""
    parts = {"action": (range(646, 681), 134541, 256), "goal": (range(388, 644), 126349, 8192)}
    drawn: list[dict[str, list[int]]] = []
    masked: list[dict[str, list[int]]] = []
    tokens, tau = ids.copy(), 1.0
    logits: dict[str, torch.Tensor] = {}
    for step in range(1, steps + 1):
        ratio = step / steps
        tau *= 1.0 - ratio
        if (step - 1) % refresh == 0:
            with torch.inference_mode():
                whole = model.predictor.logits(model.predictor(torch.from_numpy(tokens)[None]))[0].float()
            logits = {name: whole[list(places), first : first + size] for name, (places, first, size) in parts.items()}
        drawn.append({})
        masked.append({})
        for name, (places, first, size) in parts.items():
            chance = logits[name].softmax(-1).numpy()
            sampled = (chance / draws("sample", name, step - 1, (len(places), size))).argmax(-1)
            unknown = [place for place in places if tokens[place] == MASK]
            taken = [int(sampled[k]) if tokens[p] == MASK else int(tokens[p] - first) for k, p in enumerate(places)]
            again: list[int] = []
            if step < steps:
                uniform = draws("keep", name, step - 1, (len(places),)).clip(1e-20)
                noise = -np.log((-np.log(uniform)).clip(1e-20))
                sure = {p: math.log(chance[k][taken[k]]) + tau * noise[k] for k, p in enumerate(places) if p in unknown}
                quarter = np.float32(math.pi) * np.float32(ratio) * np.float32(0.5)
                count = max(1, min(len(unknown) - 1, math.floor(len(places) * np.cos(quarter))))
                again = sorted(sorted(sure, key=sure.__getitem__)[:count])
            for place, code in zip(places, taken, strict=True):
                tokens[place] = MASK if place in again else code + first
            drawn[-1][name] = taken
            masked[-1][name] = [place - places[0] for place in again]
    return drawn, masked


@pytest.mark.parametrize(("steps", "refresh"), [(4, 1), (24, 6)])
def test_each_step_draws_and_masks_what_the_description_says(
    model: MMaDAVLA, codes: NDArray[np.int64], steps: int, refresh: int
) -> None:
    drawn, masked = described(model, model.prompt(codes, "go", STATE)[0], steps, refresh)
    record: Record = []
    actions, goal = model.generate(codes, "go", STATE, steps=steps, refresh=refresh, draws=draws, record=record)
    assert len(record) == steps
    for step, taken, again in zip(record, drawn, masked, strict=True):
        for name, (tokens, masked_again) in step.items():
            assert tokens.tolist() == taken[name]
            assert np.flatnonzero(masked_again).tolist() == again[name]
    assert goal.tolist() == drawn[-1]["goal"]
    bins = np.array(drawn[-1]["action"]).reshape(5, 7)
    assert np.array_equal(actions, to_actions(bins, model.statistics, "libero"))


def test_the_noise_fades_as_published() -> None:
    published = [0.958, 0.879, 0.769, 0.641, 0.507, 0.380, 0.269, 0.180, 0.112, 0.065, 0.035, 0.018]
    assert compounding(1.0, 24)[:12] == pytest.approx(published, abs=6e-4)


def test_the_published_model_has_291_tensors_and_8084787200_numbers() -> None:
    with torch.device("meta"):
        state = MaskedTokenPredictor(ModelConfig()).state_dict()
    assert len(state) == 291
    assert sum(tensor.numel() for tensor in state.values()) == 8_084_787_200
    assert state["model.transformer.wte.weight"].shape == (134912, 4096)
