"""The whole way from recorded demonstrations to a checkpoint; what is there already is not made again.

    OUT/cache/              pictures and codes of the data sets
    OUT/quantizer/          the image tokenizer, in the published layout
    OUT/tokenizer/          the text tokenizer
    OUT/VARIANT/state.pt    where the training of the transformer goes on
    OUT/VARIANT/log.jsonl   its losses
    OUT/VARIANT/checkpoint/ model and quantizer, for `--policy-args checkpoint=`
    OUT/VARIANT/rollouts/   run folders

Data, image tokenizer and text tokenizer do not depend on the variant, so that four variants share them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.llada import checkpoint as checkpoints
from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.quantizer import Quantizer, read_quantizer_config
from mmact_eval.policies.llada.tokenizer import TOKENIZER_FILE, read_tokenizer
from mmact_eval.policies.llada.training import codes, tokens
from mmact_eval.policies.llada.training import state as states
from mmact_eval.policies.llada.training.moments import Indices, Moments
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import Vocabulary
from mmact_eval.policies.mmact.config import ModelConfig
from mmact_eval.policies.mmact.training import loop, rollouts
from mmact_eval.policies.mmact.training.data import frames, recordings, words
from mmact_eval.policies.mmact.training.export import export
from mmact_eval.policies.mmact.training.settings import Rollouts, Training
from mmact_eval.policies.mmact.training.targets import Examples

Say = Callable[[str], None]
Measure = Callable[[Rollouts, Path, Path], str]
_MADE_OF = "made_of.json"


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        checkpoint: the folder with ``model`` and ``quantizer``; None if only the image tokenizer was asked for.
        quantizer: the image tokenizer's folder.
        suites: that the demonstrations are of.
    """

    checkpoint: Path | None
    quantizer: Path
    suites: tuple[str, ...]


def train(
    settings: Training,
    out: Path,
    device_name: str = "auto",
    only_quantizer: bool = False,
    say: Say = print,
    measure: Measure = rollouts.measure,
) -> Trained:
    """Train what is not there yet.

    Args:
        settings: how.
        out: the folder for all that is made.
        device_name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        only_quantizer: stop when the image tokenizer is trained.
        say: gets lines of progress.
        measure: called every ``rollouts.every`` steps with ``settings.rollouts``, the checkpoint as it is then, and a
            folder whose name ends in the step; returns a line.

    Raises:
        UsageError: data that cannot be read, or a folder that holds another training.
        OSError: `out` cannot be written.
    """
    device = checkpoints.pick_device(device_name)
    folders = [expanded(folder) for folder in settings.data]
    adapter = recordings.adapter_of(folders, settings.state_mode)
    began_from = recordings.starts(folders)
    out.mkdir(parents=True, exist_ok=True)
    before = settings.made_before
    if before:
        _copy_tokenizers(expanded(before), out)
    side = read_quantizer_config(out / "quantizer").side if before else settings.quantizer.side
    moments = frames.load_moments(folders, adapter, side, out / "cache", say)
    chosen, held_out = moments.split(settings.held_out, settings.seed)
    say(f"{len(moments)} moments of {len(moments.starts)} starts and {len(moments.instructions)} tasks; "
        f"{len(held_out)} of them held out")  # fmt: skip
    data = f"{recordings.digest(folders)} {settings.held_out} {settings.state_mode}"

    if before:
        quantizer = _read(out / "quantizer", device)
    else:
        quantizer = _quantizer(settings, moments, chosen, held_out, data, out / "quantizer", device, say)
    if only_quantizer:
        return Trained(None, out / "quantizer", tuple(began_from))
    image_codes = tokens.load_codes(quantizer, moments, out / "cache", device, say)
    say(f"image codes in use, in effect: {tokens.usage(image_codes):.0f} of {2**quantizer.config.bits}")

    spoken = [*moments.instructions, *(text for text in moments.subtasks if text)]
    if not before:
        words.train_tokenizer([str(text) for text in spoken], settings.text_tokens, out / "tokenizer")
    length = words.tokenizer_length(out / "tokenizer")
    vocabulary = _vocabulary(settings, quantizer, length)
    tokenizer = read_tokenizer(out / "tokenizer", vocabulary, "MM-ACT")
    predictor = loop.new_predictor(model_config(settings, vocabulary), settings.seed)
    first = f" {_begin_with(expanded(settings.first_weights), predictor)}" if settings.first_weights else ""
    numbers = sum(parameter.numel() for parameter in predictor.parameters())
    say(f"a transformer of {numbers / 1e6:.2f} million parameters; {length} text tokens")

    place = out / settings.variant
    place.mkdir(exist_ok=True)
    examples = Examples(
        moments, image_codes, tokenizer.encode, vocabulary, settings.plan_tokens, settings.full_masks, device
    )

    def exported() -> Path:
        export(place / "checkpoint", settings, predictor, quantizer, out / "tokenizer", began_from)
        return place / "checkpoint"

    def measured(step: int) -> str:
        return measure(settings.rollouts, exported(), place / "rollouts" / f"step-{step:06d}")

    summed = hashlib.blake2b(f"{data} {_trained_as(settings)}{first}".encode() + image_codes.tobytes(), digest_size=8)
    loop.train(
        settings, predictor, loop.Data(examples, chosen, held_out, summed.hexdigest()), place, device, say, measured
    )
    return Trained(exported(), out / "quantizer", tuple(began_from))


def model_config(settings: Training, vocabulary: Vocabulary) -> ModelConfig:
    """The transformer that the settings ask for."""
    model = settings.model
    return ModelConfig(
        d_model=model.d_model, n_layers=model.n_layers, n_heads=model.n_heads, n_kv_heads=model.n_heads,
        mlp_hidden_size=model.mlp_hidden_size, rope_theta=model.rope_theta, vocabulary=vocabulary,
    )  # fmt: skip


def _trained_as(settings: Training) -> str:
    """The settings that a saved state depends on: all but those of reports and names."""
    return settings.model_dump_json(
        exclude={
            "name", "data", "report_every", "save_every", "rollouts", "decoding", "stored", "tokenizers",
            "first_weights",
        }
    )  # fmt: skip


def _copy_tokenizers(before: Path, out: Path) -> None:
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


def _begin_with(folder: Path, predictor: MaskedTokenPredictor) -> str:
    """Load the weights of another training; returns a digest of them.

    Raises:
        UsageError: there are none, or they do not fit.
    """
    weights = states.read_weights(folder)
    try:
        predictor.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(f"the weights in {folder} are of another size: {error}") from None
    summed = hashlib.blake2b(digest_size=8)
    for name, tensor in weights.items():
        summed.update(name.encode() + tensor.numpy().tobytes())
    return summed.hexdigest()


def _vocabulary(settings: Training, quantizer: Quantizer, text: int) -> Vocabulary:
    codebook = 2**quantizer.config.bits
    size = text + codebook + settings.model.bins
    return Vocabulary(size, codebook, settings.model.bins, text, quantizer.config.grid**2)


def _quantizer(
    settings: Training, moments: Moments, chosen: Indices, held_out: Indices, data: str, folder: Path,
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
        return _read(folder, device)
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
    return _read(folder, device)


def _read(folder: Path, device: torch.device) -> Quantizer:
    with torch.device("meta"):
        quantizer = Quantizer(read_quantizer_config(folder))
    checkpoints.load_weights(quantizer, folder, device, torch.float32)
    return quantizer
