"""What the configuration file of a training of ViT + MLP says."""

from __future__ import annotations

from typing import Literal

from mmact_eval.policies.llada.training.settings import (
    AnyTraining,
    AtLeastOne,
    Count,
    Optimizer,
    Planned,
    Precision,
)
from mmact_eval.policies.vit_mlp.config import Size

STAGE, TARGET = "act", "action"
"""The one stage, and what is trained in it."""

NOT_TRAINED = frozenset({"family", "name", "data", "report_every", "save_every", "rollouts"})
"""Settings that a saved state does not depend on."""


class Training(AnyTraining):
    """A whole training of ViT + MLP; what is the same for all models is said in `AnyTraining`.

    Attributes:
        chunk: actions in an answer.
        shift: pixels by which a view is moved at most, in each direction, at random and anew at each step, so that
            some thousand pictures are not learned by heart.
        size: of the network.
        steps: how long.
        batch: moments in a step.
        optimizer: with warm-up and cosine.
        precision: what it is computed in.
    """

    family: Literal["vit-mlp"] = "vit-mlp"
    chunk: AtLeastOne = 8
    shift: Count = 4
    size: Size = Size()
    steps: AtLeastOne
    batch: AtLeastOne = 32
    optimizer: Optimizer = Optimizer(rate=1e-3, warmup=100, floor=0.02, decay=0.05)
    precision: Precision = "auto"

    @property
    def planned(self) -> dict[str, Planned]:
        """As `AnyTraining` has it."""
        return {STAGE: Planned(self.steps, {TARGET: (1.0, self.batch)}, self.optimizer)}
