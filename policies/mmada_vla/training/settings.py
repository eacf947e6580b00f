"""What the configuration file of a training of MMaDA-VLA says. Defaults are the released training's, but for sizes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mmact_eval.policies.llada.training.settings import (
    AtLeastOne,
    ModelSettings,
    Optimizer,
    Planned,
    TrainingSettings,
    Weight,
)
from mmact_eval.policies.mmada_vla.config import TEXT_SLOT, Attention, State
from mmact_eval.policies.mmada_vla.vocabulary import ACTION_BINS
from mmact_eval.suite import Strict


class Size(ModelSettings):
    """The transformer's size, as in config.json."""

    bins: Annotated[int, Field(strict=True, ge=3)] = ACTION_BINS


class Weights(Strict):
    """The weight of a token's loss, or with ``loss: parts`` of a block's."""

    action: Weight = 1.0
    goal: Weight = 1.0


class Stage(Strict):
    """A part of the training, with its own warm-up and cosine.

    Attributes:
        steps: how long.
        weights: of the losses; the goal's is of no account where there is none.
        batch: examples in a step.
        optimizer: of this stage.
    """

    steps: AtLeastOne
    weights: Weights = Weights()
    batch: AtLeastOne
    optimizer: Optimizer = Optimizer()


class Decoding(Strict):
    """How the checkpoint is asked if nothing else is said; see `MMaDAVLA.generate`."""

    steps: AtLeastOne = 24
    refresh: AtLeastOne = 6
    decoding: Literal["sample", "median"] = "sample"
    temperature: Weight = 1.0
    noise: Weight = 1.0


class Training(TrainingSettings):
    """A whole training of MMaDA-VLA; what is the same for all models is said in `TrainingSettings`.

    Attributes:
        chunk: actions in a chunk; the goal is the picture so many frames later. 5 for LIBERO, 10 for CALVIN, as
            published.
        goal: whether there is a goal picture; without, the sequence ends in text and actions.
        attention: ``full``: everything to everything, as released; ``hybrid``: the goal does not see the actions, as in
            the paper.
        state: ``text``: behind the instruction, as published; ``none``: not told; ``bins``: behind the instruction, its
            numbers scaled from the 1 % and 99 % quantiles of the demonstrations to whole ones from 0 to 255, a token
            each.
        state_decimals: to which the numbers of a state written as text are rounded; null for none: as Python writes
            them.
        max_text_len: tokens for instruction and state; what is longer loses its end. null for as many as the longest
            of the demonstrations needs, and an eighth more.
        whole_chunks: leave out moments near the end of a demonstration, which have no whole chunk or no goal; else what
            there is of them is learned.
        full_masks: the part of the examples that are masked as a whole, as decoding begins.
        loss: ``vocabulary``: one mean over masked codes, masked bins and the four brackets, among all ids, as released;
            ``parts``: codes among codes, bins among bins, as decoding cuts them, and the mean of each block by itself.
        stages: by name, one after the other.
        decoding: how the checkpoint is asked if nothing else is said.
    """

    family: Literal["mmada-vla"] = "mmada-vla"
    model: Size = Size()
    chunk: AtLeastOne = 5
    goal: bool = True
    attention: Attention = "full"
    state: State = "text"
    state_decimals: Annotated[int, Field(strict=True, ge=0, le=17)] | None = None
    max_text_len: Annotated[int, Field(strict=True, ge=2)] | None = TEXT_SLOT
    whole_chunks: bool = True
    full_masks: float = Field(default=0.0, ge=0.0, le=1.0)
    loss: Literal["vocabulary", "parts"] = "vocabulary"
    stages: dict[str, Stage] = Field(min_length=1)
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _something_to_learn(self) -> Training:
        for name, stage in self.stages.items():
            if not stage.weights.action and not (self.goal and stage.weights.goal):
                raise ValueError(f'stage "{name}" trains nothing: its weights are 0')
        if not any(stage.weights.action for stage in self.stages.values()):
            raise ValueError("no stage trains actions: weights.action is 0 in all")
        if self.goal and not any(stage.weights.goal for stage in self.stages.values()):
            raise ValueError("no stage trains the goal, which would be drawn at random: say goal: false to do without")
        return self

    @property
    def planned(self) -> dict[str, Planned]:
        """As `TrainingSettings` has it. Goal and actions are one target, which is called as the stage is."""
        return {
            name: Planned(stage.steps, {name: (1.0, stage.batch)}, stage.optimizer)
            for name, stage in self.stages.items()
        }
