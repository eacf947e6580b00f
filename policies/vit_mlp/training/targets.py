"""Moments as questions to the network, and how far its answers are from what was demonstrated."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.learning.losses import Answered, Told
from mmact_eval.policies.vit_mlp.config import ModelConfig
from mmact_eval.policies.vit_mlp.inputs import executed, normalized
from mmact_eval.policies.vit_mlp.model import VitMlp
from mmact_eval.policies.vit_mlp.words import Words


@dataclass(frozen=True)
class Question:
    """A batch of moments.

    Attributes:
        pixels: (B, views, side, side, 3) uint8.
        shifts: (B, views, 2) int64, pixels down and right that a view is moved by while the network learns.
        state: (B, S) float32, normalized.
        words: (B, word_slots) int64.
        actions: (B, T, 7) float32, the truth.
        there: (B, T) bool, False where the demonstration was over.
    """

    pixels: Tensor
    shifts: Tensor
    state: Tensor
    words: Tensor
    actions: Tensor
    there: Tensor


class Examples:
    """Makes questions of moments. How pictures are shifted follows from the generator that is given."""

    def __init__(self, moments: Moments, config: ModelConfig, shift: int, device: torch.device) -> None:
        """
        Args:
            moments: all of them.
            config: of the model.
            shift: pixels at most.
            device: of the tensors.
        """
        encode = Words(config.words, config.word_slots).encode
        self._moments = moments
        self._states = normalized(moments.states, config.state_mean, config.state_std)
        self._words = np.stack([encode(str(text)) for text in moments.instructions])
        self._shift = shift
        self._device = device

    def usable(self, target: str, chosen: Indices) -> Indices:
        """Those of the moments that have an action to come."""
        usable: Indices = chosen[self._moments.there[chosen].any(axis=1)]
        return usable

    def question(self, target: str, places: Indices, rng: np.random.Generator) -> Question:
        """A question about these moments."""
        moments = self._moments
        pixels = moments.pixels[places]
        shifts = rng.integers(-self._shift, self._shift + 1, (*pixels.shape[:2], 2))
        arrays = (
            pixels, shifts, self._states[places], self._words[moments.instruction[places]], moments.actions[places],
            moments.there[places],
        )  # fmt: skip
        return Question(*(torch.from_numpy(np.ascontiguousarray(array)).to(self._device) for array in arrays))


def answer(network: VitMlp, question: Question, precision: AbstractContextManager[None]) -> Answered:
    """Ask the network: the loss is the mean distance of its numbers from those of the actions that there are.

    So it learns the middle (median) of what was demonstrated. `Told.off` is the distance of what would be executed;
    `Told.right` of the gripper, how often it would open or close as it should.
    """
    pixels = shifted(question.pixels, question.shifts) if network.training else question.pixels
    with precision:
        answers = network(pixels, question.state, question.words)
    found, truth = answers.float()[question.there], question.actions[question.there]
    loss = (found - truth).abs().mean()
    actions, meant = executed(found.detach().cpu().numpy()), truth.cpu().numpy()
    gripper = float((found[:, -1] - truth[:, -1]).detach().abs().mean())
    right = float((actions[:, -1] == np.sign(meant[:, -1])).mean())
    return Answered(
        loss,
        {"action": Told(float(loss.detach()), off=float(np.abs(actions - meant).mean())),
         "gripper": Told(gripper, right)},
    )  # fmt: skip


def shifted(pixels: Tensor, shifts: Tensor) -> Tensor:
    """(B, views, side, side, 3) moved by (B, views, 2) pixels down and right; its rim is repeated."""
    batch, views, side = pixels.shape[:3]
    places = torch.arange(side, device=pixels.device)
    rows, columns = ((places - shifts[..., axis, None]).clamp(0, side - 1) for axis in (0, 1))
    which = torch.arange(batch, device=pixels.device)[:, None, None, None]
    view = torch.arange(views, device=pixels.device)[:, None, None]
    return pixels[which, view, rows[..., None], columns[:, :, None]]
