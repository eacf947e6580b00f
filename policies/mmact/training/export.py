"""Trained models as checkpoints in the published layout."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from mmact_eval.policies.llada.checkpoint import DTYPES
from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.quantizer import Quantizer
from mmact_eval.policies.llada.training.codes import write_quantizer
from mmact_eval.policies.llada.training.tables import plain_state
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.mmact.config import config_json
from mmact_eval.policies.mmact.own.own_defaults import OWN, OwnDefaults
from mmact_eval.policies.mmact.training.settings import Training


def export(
    folder: Path,
    settings: Training,
    predictor: MaskedTokenPredictor,
    quantizer: Quantizer,
    tokenizer: Path,
    trained_on: Mapping[str, str],
) -> None:
    """Write ``folder/model`` and ``folder/quantizer``, in the place of what is there.

    Args:
        folder: for both.
        settings: name, variant, and how the model wants to be asked.
        predictor, quantizer: trained.
        tokenizer: the folder with tokenizer.json.
        trained_on: suite → init states of the demonstrations.

    Raises:
        OSError: it cannot be written.
    """
    half = folder.with_name(f".{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    model = half / "model"
    model.mkdir(parents=True)
    own = OwnDefaults(
        f"{settings.name}-{settings.variant}", settings.variant, settings.state_mode, settings.decoding,
        plan_tokens=settings.plan_tokens, plan_steps=settings.plan_tokens, trained_on=trained_on,
    )  # fmt: skip
    data = config_json(predictor.config, settings.stored) | {OWN: own.as_json()}
    (model / CONFIG_FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    dtype = DTYPES[settings.stored]
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in plain_state(predictor).items()}
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    for file in tokenizer.glob("tokenizer*.json"):
        shutil.copyfile(file, model / file.name)
    write_quantizer(quantizer, half / "quantizer")
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(half, folder)
