"""What the config.json of a checkpoint says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mmact_eval.config.yaml_file import read
from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.suite import Strict

MODEL_TYPE = "vit-mlp"
DIM = 7
"""Numbers in an action: LIBERO's and CALVIN's arms."""

AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
Positive = Annotated[float, Field(gt=0.0)]


class Size(Strict):
    """Of the network.

    Attributes:
        side: pixels of a view, which is a square.
        patch: pixels of a patch, a multiple of 4 that divides `side`.
        width, layers, heads, mlp: of the transformer; `mlp` is the width within a block's MLP.
        readouts: tokens of each view that the actions are made of.
        hidden: width of the MLP that makes them.
    """

    side: AtLeastOne = 96
    patch: AtLeastOne = 12
    width: AtLeastOne = 160
    layers: AtLeastOne = 5
    heads: AtLeastOne = 5
    mlp: AtLeastOne = 480
    readouts: AtLeastOne = 2
    hidden: AtLeastOne = 512

    @model_validator(mode="after")
    def _fits(self) -> Size:
        if self.patch % 4 or self.side % self.patch:
            raise ValueError(f"a patch of {self.patch} pixels must be a multiple of 4 and divide a side of {self.side}")
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be divided into {self.heads} heads")
        return self

    @property
    def patches(self) -> int:
        """Of a view."""
        return (self.side // self.patch) ** 2


class Own(Strict):
    """What a checkpoint says of itself.

    Attributes:
        name: in tables.
        trained_on: suite → init states that it has learned from; see `mmact_eval.results.trained_on`.
    """

    name: str = ""
    trained_on: dict[str, str] = Field(default_factory=dict)


class ModelConfig(Strict):
    """A checkpoint, but for its weights.

    Attributes:
        robot: one of `robots.ROBOTS`.
        views: cameras.
        chunk: actions in an answer.
        words: that the model has learned; others are unknown to it.
        word_slots: words of an instruction that it reads; what comes after is not read.
        state_mean, state_std: what states are normalized with.
        size: of the network.
        random_weights: whether nobody has trained it.
        mmact_eval: what it says of itself.
    """

    model_type: Literal["vit-mlp"] = "vit-mlp"
    robot: str
    views: AtLeastOne = 2
    chunk: AtLeastOne = 8
    words: tuple[str, ...]
    word_slots: AtLeastOne
    state_mean: tuple[float, ...]
    state_std: tuple[Positive, ...]
    size: Size = Size()
    random_weights: bool = False
    mmact_eval: Own = Own()

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        if len(self.state_mean) != len(self.state_std):
            raise ValueError(f"{len(self.state_mean)} means of the state and {len(self.state_std)} deviations")
        return self

    def as_json(self) -> str:
        """For config.json."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def read_config(folder: Path) -> ModelConfig:
    """What the config.json in a checkpoint's folder says.

    Raises:
        UsageError: there is none, it is of another model, or it says something that makes no sense; names the line.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise UsageError(f"{folder} is no checkpoint of {MODEL_TYPE}: it has no {CONFIG_FILE}")
    document = read(path)  # JSON is YAML, and so errors have lines
    told: Mapping[str, Any] = document.data
    if told.get("model_type") != MODEL_TYPE:
        raise UsageError(f"{path}: its model_type is {told.get('model_type')!r}; is it for another policy?")
    return document.checked(ModelConfig)
