"""Checkpoints with random weights: for trying out whether everything fits, and how fast it is. They act at random."""

from __future__ import annotations

from pathlib import Path

import torch

from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.random_weights.weights import write_weights
from mmact_eval.policies.vit_mlp.config import ModelConfig, Own
from mmact_eval.policies.vit_mlp.model import VitMlp
from mmact_eval.policies.vit_mlp.robots import ROBOTS
from mmact_eval.policies.vit_mlp.words import learned

NAME = "vit-mlp-random"
_SAID = "pick up the alphabet soup and place it in the basket"


def random_config(robot: str = "libero") -> ModelConfig:
    """What a checkpoint with random weights says: the size of vit-mlp.yaml, and few words."""
    words, slots = learned([_SAID])
    numbers = sum(ROBOTS[robot].take)
    return ModelConfig(
        robot=robot, views=len(ROBOTS[robot].cameras), words=words, word_slots=slots, state_mean=(0.0,) * numbers,
        state_std=(1.0,) * numbers, random_weights=True, mmact_eval=Own(name=NAME),
    )  # fmt: skip


def write_checkpoint(folder: Path, config: ModelConfig, seed: int = 0) -> None:
    """Write config.json and model.safetensors.

    Args:
        folder: where.
        config: says that the weights are random.
        seed: equal seeds give equal weights, others give others; 0 to 2³² - 1.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(config.as_json(), encoding="utf-8")
    with torch.device("meta"):
        network = VitMlp(config)
    write_weights(folder, network, seed, "float32")
