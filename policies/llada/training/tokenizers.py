"""The tokenizers of a training: trained, found where they were trained before, or taken over from another training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import checkpoint as checkpoints
from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.quantizer import Quantizer, read_quantizer_config
from mmact_eval.policies.llada.tokenizer import TOKENIZER_FILE
from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.images import codes
from mmact_eval.policies.llada.training.settings import TrainingSettings

Say = Callable[[str], None]
_MADE_OF = "made_of.json"


def copy_tokenizers(before: Path, out: Path) -> None:
    """Take over the tokenizers of another training.

    Raises:
        UsageError: it has none, or the folder holds others already.
    """
    for part, file in (("quantizer", CONFIG_FILE), ("tokenizer", TOKENIZER_FILE)):
        source, place = before / part, out / part
        if not (source / file).is_file():
            raise UsageError(f"{before} is no folder of a training: it has no {part}/{file}")
        if not place.exists():
            half = place.with_name(f".{part}")
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(source, half)
            half.rename(place)
        elif any(file.read_bytes() != (place / file.name).read_bytes() for file in source.iterdir()):
            raise UsageError(f"{place} is not the one in {before}; take another --out")


def trained_quantizer(
    settings: TrainingSettings, moments: Moments, chosen: Indices, held_out: Indices, data: str, folder: Path,
    device: torch.device, say: Say,
) -> Quantizer:  # fmt: skip
    """The image tokenizer, trained if the folder does not hold it yet."""
    made_of = {"data": data, "seed": settings.seed, "settings": settings.quantizer.model_dump(mode="json")}
    note = folder / _MADE_OF
    if folder.exists():
        if not note.is_file() or json.loads(note.read_text(encoding="utf-8")) != made_of:
            raise UsageError(
                f"{folder} holds an image tokenizer of other settings or other data; take another --out, or delete "
                "that folder to train it again."
            )
        return read_quantizer(folder, device)
    trained = codes.train_quantizer(
        settings.quantizer,
        moments,
        chosen,
        held_out,
        settings.seed,
        device,
        say,
        settings.report_every,
    )
    half = folder.with_name(f".{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    codes.write_quantizer(trained, half)
    (half / _MADE_OF).write_text(json.dumps(made_of, indent=2) + "\n", encoding="utf-8")
    half.rename(folder)
    return read_quantizer(folder, device)


def trained_tokenizer(train: Callable[[Path], None], folder: Path) -> None:
    """The text tokenizer, which takes a moment: trained each time, and what is there must be the same.

    Args:
        train: writes it into a folder.
        folder: where it belongs.

    Raises:
        UsageError: the folder holds another one.
    """
    half = folder.with_name(f".{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    train(half)
    if not folder.exists():
        half.rename(folder)
        return
    same = all(
        (folder / file.name).is_file() and file.read_bytes() == (folder / file.name).read_bytes()
        for file in half.iterdir()
    )
    shutil.rmtree(half)
    if not same:
        raise UsageError(
            f"{folder} holds a text tokenizer of other settings or other data; take another --out, or delete that "
            "folder to train it again."
        )


def read_quantizer(folder: Path, device: torch.device) -> Quantizer:
    with torch.device("meta"):
        quantizer = Quantizer(read_quantizer_config(folder))
    checkpoints.load_weights(quantizer, folder, device, torch.float32)
    return quantizer
