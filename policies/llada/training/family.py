"""What a family of models has to say for itself to be trained: all else is the same for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from mmact_eval.policies.llada.config import TransformerConfig
from mmact_eval.policies.llada.quantizer import QuantizerConfig
from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.data.source import Source
from mmact_eval.policies.llada.training.learning.loop import Examples
from mmact_eval.policies.llada.training.learning.losses import Question
from mmact_eval.policies.llada.training.settings import TrainingSettings

S = TypeVar("S", bound=TrainingSettings)


class Task(Protocol):
    """What one training asks of a model, and what is to be known to ask it again."""

    @property
    def config(self) -> TransformerConfig:
        """Of the transformer."""

    @property
    def examples(self) -> Examples[Question]:
        """On what it is trained."""

    @property
    def remarks(self) -> Sequence[str]:
        """What somebody should know before hours are spent on it, a sentence each without its stop."""

    @property
    def numbers(self) -> Mapping[int, float]:
        """Text tokens that stand for numbers: id → the number in [-1, 1]; see `tables`."""

    def files(self, trained_on: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
        """Name → contents of the JSON files beside the weights.

        Args:
            trained_on: suite → init states of the demonstrations.
        """


class Family(Protocol[S]):
    """A family of masked-token models, which `pipeline.train` trains.

    Attributes:
        name: in configuration files.
        model: in words.
        policy: which of the harness's runs what is trained, with ``checkpoint=`` the folder of model and quantizer.
    """

    name: str
    model: str
    policy: str

    def settings_type(self) -> type[S]:
        """What a configuration file is checked against."""

    def source(self, settings: S, folders: Sequence[Path]) -> Source:
        """How these demonstrations are read.

        Raises:
            UsageError: a folder is no data set of ours, or its robot is none that the family knows.
        """

    def read_as(self, settings: S) -> str:
        """What moments depend on beside the demonstrations, in a word."""

    def variant(self, settings: S) -> str:
        """The name of what is trained, among those that share data and tokenizers: its folder."""

    def trained_as(self, settings: S) -> str:
        """The settings that a saved state depends on."""

    def train_tokenizer(self, settings: S, moments: Moments, folder: Path) -> None:
        """Write a text tokenizer of what is said in these moments."""

    def task(
        self,
        settings: S,
        moments: Moments,
        codes: Indices,
        images: QuantizerConfig,
        tokenizer: Path,
        device: torch.device,
    ) -> Task:
        """What to ask.

        Args:
            settings: how to train.
            moments: all of them.
            codes: their image codes, (M, views, grid²).
            images: the size of the image tokenizer.
            tokenizer: the folder of the text tokenizer.
            device: of the questions.
        """
