"""From a folder to a model that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmact_eval.policies.llada import checkpoint as checkpoints
from mmact_eval.policies.llada.images import to_sides
from mmact_eval.policies.llada.policy.trained import checkpoint_in
from mmact_eval.policies.vit_mlp.config import MODEL_TYPE, ModelConfig, read_config
from mmact_eval.policies.vit_mlp.inputs import executed, normalized
from mmact_eval.policies.vit_mlp.model import VitMlp
from mmact_eval.policies.vit_mlp.words import Words


@dataclass(frozen=True)
class Example:
    """What is seen at one moment.

    Attributes:
        images: (H, W, 3) uint8 each, in the order of the robot's cameras.
        instruction: in words.
        state: (S,) in the environment's units.
    """

    images: Sequence[NDArray[np.uint8]]
    instruction: str
    state: NDArray[np.float64]


class Loaded:
    """A network with what makes its inputs.

    Attributes:
        config: of the checkpoint.
        network: its weights on their device.
        words: that it knows.
    """

    def __init__(self, config: ModelConfig, network: VitMlp) -> None:
        self.config = config
        self.network = network
        self.words = Words(config.words, config.word_slots)

    def action_chunks(self, examples: Sequence[Example]) -> list[NDArray[np.float32]]:
        """A (chunk, 7) float32 chunk for each.

        Raises:
            UsageError: an image is none of (H, W, 3) uint8.
        """
        config, device = self.config, self.network.readouts.device
        pixels = np.stack([to_sides(example.images, config.size.side) for example in examples])
        states = np.stack([example.state for example in examples])
        words = np.stack([self.words.encode(example.instruction) for example in examples])
        arrays = pixels, normalized(states, config.state_mean, config.state_std), words
        with torch.inference_mode():
            answers = self.network(*(torch.from_numpy(array).to(device) for array in arrays))
        return list(executed(answers.cpu().numpy()))


def find(location: str | Path) -> Path:
    """The folder of a checkpoint, which may be named by the ``--out`` of its training.

    Raises:
        UsageError: there is none.
    """
    return checkpoint_in(checkpoints.find(location), MODEL_TYPE, None)


def load_model(location: str | Path, device: str = "auto") -> Loaded:
    """Load a model; see `mmact_eval.policies.vit_mlp.load`."""
    folder, place = find(location), checkpoints.pick_device(device)
    config = read_config(folder)
    with torch.device("meta"):
        network = VitMlp(config)
    checkpoints.load_weights(network, folder, place, torch.float32)
    return Loaded(config, network)
