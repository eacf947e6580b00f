"""What a training's configuration file says, whatever is trained; what is asked of a model is said by its family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mmact_eval.machine.user_folders import expanded
from mmact_eval.suite import Strict

Count = Annotated[int, Field(strict=True, ge=0)]
AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
Weight = Annotated[float, Field(ge=0.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]
Precision = Literal["auto", "float32", "bfloat16"]
"""What a model is computed in while it is trained; ``auto``: bfloat16 on a GPU, else float32."""


class Optimizer(Strict):
    """AdamW with warm-up and a cosine down to `floor`.

    Attributes:
        rate: the highest learning rate.
        warmup: steps to get there.
        floor: the last learning rate, as a part of the highest.
        betas, decay: AdamW's; decay does not touch norms and biases.
        clip: longest gradient.
    """

    rate: Rate = 5e-5
    warmup: Count = 500
    floor: float = Field(default=0.0, ge=0.0, le=1.0)
    betas: tuple[float, float] = (0.9, 0.999)
    decay: Weight = 0.01
    clip: float = Field(default=1.0, gt=0.0)


class QuantizerSettings(Strict):
    """The image tokenizer: its size (see `quantizer.QuantizerConfig`) and its training.

    Attributes:
        side, channels, groups, bits, encoder_widths, encoder_blocks, decoder_widths, decoder_blocks: its size.
        steps, batch: of the training; a batch is so many moments, with all their views.
        drawn: part of a batch's pictures that is decoded. Decoding is most of a step, and codes that tell the next
            actions need little of it.
        optimizer: of the training.
        moving: how much more a pixel counts that differs from the camera's mean picture.
        balance: weight of the loss that wants each bit to be set half of the time.
        commitment: weight of the loss that keeps numbers near their signs.
        actions: weight of the loss of a small head that must tell the next actions from the codes (see `aiding`).
    """

    side: AtLeastOne = 128
    channels: AtLeastOne = 16
    groups: AtLeastOne = 8
    bits: AtLeastOne = 13
    encoder_widths: tuple[int, ...] = (1, 2, 2, 4, 4)
    encoder_blocks: tuple[int, ...] = (0, 1, 1, 1, 1)
    decoder_widths: tuple[int, ...] = (1, 1, 2, 2, 4)
    decoder_blocks: tuple[int, ...] = (0, 1, 1, 1, 1)
    steps: AtLeastOne = 2000
    batch: AtLeastOne = 16
    drawn: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    optimizer: Optimizer = Optimizer(rate=1e-3, warmup=100, floor=0.05)
    moving: Weight = 8.0
    balance: Weight = 0.1
    commitment: Weight = 0.05
    actions: Weight = 0.0


class ModelSettings(Strict):
    """The transformer's size, as in config.json."""

    d_model: AtLeastOne = 128
    n_layers: AtLeastOne = 4
    n_heads: AtLeastOne = 4
    mlp_hidden_size: AtLeastOne = 384
    rope_theta: float = Field(default=10_000.0, gt=0.0)
    bins: AtLeastOne = 1024


class Rollouts(Strict):
    """Success in the simulator, measured by the harness itself.

    Attributes:
        every: steps of training between two measurements, 0 for none but the last; the last stage only.
        suite, tasks, init_states, episodes: what is run, as for `mmact-eval run`.
        workers: simulator processes.
        last: whether to measure after the last step.
    """

    every: Count = 0
    suite: str = "libero-object"
    tasks: str | None = None
    init_states: str | None = "20-49"
    episodes: AtLeastOne = 5
    workers: AtLeastOne = 1
    last: bool = False

    def due(self, done: int, steps: int) -> bool:
        """Whether success is measured after so many of the last stage's steps."""
        return bool(self.every and done % self.every == 0) or (self.last and done == steps)


@dataclass(frozen=True)
class Planned:
    """What a stage does.

    Attributes:
        steps: how long.
        targets: what is trained → weight of its loss, and examples in a step; a stage without any is passed over.
        optimizer: of this stage.
    """

    steps: int
    targets: Mapping[str, tuple[float, int]]
    optimizer: Optimizer


class AnyTraining(Strict):
    """What is said of every training, whatever model it is of.

    Attributes:
        family: which models these are.
        name: of the checkpoint, in tables.
        data: folders that `mmact-eval record` made.
        seed: of everything random.
        held_out: the part of the demonstrations kept for the held-out loss.
        report_every: steps between two lines of progress, with the held-out loss.
        save_every: steps between two saved states.
        rollouts: success in the simulator.
    """

    family: str
    name: str
    data: tuple[str, ...] = Field(min_length=1)
    seed: Count = 0
    held_out: float = Field(default=0.1, ge=0.0, lt=1.0)
    report_every: AtLeastOne = 100
    save_every: AtLeastOne = 500
    rollouts: Rollouts = Rollouts()

    @property
    def planned(self) -> Mapping[str, Planned]:
        """The stages by name, one after the other."""
        raise NotImplementedError


class TrainingSettings(AnyTraining):
    """A whole training of a masked-token model, but for what a family alone knows: its stages first of all.

    Attributes:
        text_tokens: tokens of the text tokenizer beside the special ones, at most; each byte is one.
        tokenizers: the folder (``--out``) of another training whose image and text tokenizer are used instead of new
            ones; `quantizer` and `text_tokens` are then of no account.
        first_weights: the folder of a variant in another training (``OUT/VARIANT``) whose weights are gone on from,
            with its tokenizers; sizes must be the same, data may differ.
        quantizer, model: sizes.
        precision: what it is computed in.
        stored: precision of the transformer's weights in the checkpoint.
    """

    text_tokens: Annotated[int, Field(strict=True, ge=256)] = 600
    tokenizers: Path | None = None
    first_weights: Path | None = None
    quantizer: QuantizerSettings = QuantizerSettings()
    model: ModelSettings = ModelSettings()
    precision: Precision = "auto"
    stored: Literal["float32", "bfloat16", "float16"] = "float32"

    @property
    def made_before(self) -> Path | None:
        """The folder that the tokenizers are taken from; None if they are trained."""
        return self.tokenizers or (expanded(self.first_weights).absolute().parent if self.first_weights else None)


NOT_TRAINED = frozenset(
    {"family", "name", "data", "report_every", "save_every", "rollouts", "stored", "tokenizers", "first_weights"}
)
"""Settings that a saved state does not depend on: those of reports and names."""
