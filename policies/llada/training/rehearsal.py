"""What would end a training once its image tokenizer is there, half an hour in, is found before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mmact_eval.policies.llada.quantizer import QuantizerConfig
from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.family import Family, S
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor


def rehearse(
    family: Family[S],
    settings: S,
    moments: Moments,
    chosen: Indices,
    images: QuantizerConfig,
    tokenizer: Path,
    say: Callable[[str], None],
) -> None:
    """Put together all that will be trained, with pictures of one code, and ask one question of each kind.

    Args:
        family, settings, moments: as in the training.
        chosen: the moments to be trained on.
        images: size of the image tokenizer that there will be.
        tokenizer: the folder of the text tokenizer.
        say: gets what should be known before.

    Raises:
        UsageError: sizes contradict each other, or settings do not fit the data.
    """
    nothing_seen = np.zeros((len(moments), moments.pixels.shape[1], images.grid**2), np.int64)
    task = family.task(settings, moments, nothing_seen, images, tokenizer, torch.device("cpu"))
    for remark in task.remarks:
        say(f"note: {remark}")
    with torch.device("meta"):
        MaskedTokenPredictor(task.config)
    for stage in settings.planned.values():
        for target in stage.targets:
            places = task.examples.usable(target, chosen)[:1]
            task.examples.question(target, places, np.random.default_rng(0))
