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

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.llada import checkpoint as checkpoints
from mmact_eval.policies.llada.quantizer import read_quantizer_config
from mmact_eval.policies.llada.training import rollouts
from mmact_eval.policies.llada.training.data import frames, recordings, words
from mmact_eval.policies.llada.training.export import export
from mmact_eval.policies.llada.training.family import Family, S
from mmact_eval.policies.llada.training.images import codes, tokens
from mmact_eval.policies.llada.training.learning import loop
from mmact_eval.policies.llada.training.learning import state as states
from mmact_eval.policies.llada.training.learning.losses import answer
from mmact_eval.policies.llada.training.rehearsal import rehearse
from mmact_eval.policies.llada.training.settings import Rollouts
from mmact_eval.policies.llada.training.tokenizers import (
    copy_tokenizers,
    read_quantizer,
    trained_quantizer,
    trained_tokenizer,
)
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor

Say = Callable[[str], None]
Measure = Callable[[Rollouts, Path, Path], str]


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        checkpoint: its folder, with ``model`` and ``quantizer`` in it for a masked-token model; None if only the image
            tokenizer was asked for.
        quantizer: the image tokenizer's folder; None for a model that has none.
        suites: that the demonstrations are of.
    """

    checkpoint: Path | None
    quantizer: Path | None
    suites: tuple[str, ...]


def train(
    family: Family[S],
    settings: S,
    out: Path,
    device_name: str = "auto",
    only_quantizer: bool = False,
    say: Say = print,
    measure: Measure | None = None,
) -> Trained:
    """Train what is not there yet.

    Args:
        family: of the model.
        settings: how.
        out: the folder for all that is made.
        device_name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        only_quantizer: stop when the image tokenizer is trained.
        say: gets lines of progress.
        measure: called every ``rollouts.every`` steps with ``settings.rollouts``, the checkpoint as it is then, and a
            folder whose name ends in the step; returns a line. None for a run of the harness.

    Raises:
        UsageError: data that cannot be read, or a folder that holds another training.
        OSError: `out` cannot be written.
    """
    device = checkpoints.pick_device(device_name)
    if measure is None:
        rollouts.require_episodes(settings.rollouts)  # else it would be told hours later
    folders = [expanded(folder) for folder in settings.data]
    source = family.source(settings, folders)
    began_from = recordings.starts(folders)
    out.mkdir(parents=True, exist_ok=True)
    before = settings.made_before
    if before:
        copy_tokenizers(expanded(before), out)
    side = read_quantizer_config(out / "quantizer").side if before else settings.quantizer.side
    moments = frames.load_moments(folders, source, side, out / "cache", say)
    chosen, held_out = moments.split(settings.held_out, settings.seed)
    say(f"{len(moments)} moments of {len(moments.starts)} starts and {len(moments.instructions)} tasks; "
        f"{len(held_out)} of them held out")  # fmt: skip
    data = f"{recordings.digest(folders)} {settings.held_out} {family.read_as(settings)}"

    if not only_quantizer:
        if not before:
            trained_tokenizer(functools.partial(family.train_tokenizer, settings, moments), out / "tokenizer")
        images = read_quantizer_config(out / "quantizer") if before else codes.quantizer_config(settings.quantizer)
        rehearse(family, settings, moments, chosen, images, out / "tokenizer", say)

    if before:
        quantizer = read_quantizer(out / "quantizer", device)
    else:
        quantizer = trained_quantizer(settings, moments, chosen, held_out, data, out / "quantizer", device, say)
    if only_quantizer:
        return Trained(None, out / "quantizer", tuple(began_from))
    image_codes = tokens.load_codes(quantizer, moments, out / "cache", device, say)
    say(f"image codes in use, in effect: {tokens.usage(image_codes):.0f} of {2**quantizer.config.bits}")

    task = family.task(settings, moments, image_codes, quantizer.config, out / "tokenizer", device)
    predictor = loop.new_predictor(task.config, settings.seed, task.numbers)
    first = f" {_begin_with(expanded(settings.first_weights), predictor)}" if settings.first_weights else ""
    numbers = sum(parameter.numel() for parameter in predictor.parameters())
    say(f"a transformer of {numbers / 1e6:.2f} million parameters; {words.tokenizer_length(out / 'tokenizer')} "
        "text tokens")  # fmt: skip

    place = out / family.variant(settings)
    place.mkdir(exist_ok=True)
    measure = measure or functools.partial(rollouts.measure, family.policy)

    def exported() -> Path:
        files = task.files(began_from)
        export(place / "checkpoint", files, settings.stored, predictor, quantizer, out / "tokenizer")
        return place / "checkpoint"

    def measured(step: int) -> str:
        return measure(settings.rollouts, exported(), place / "rollouts" / f"step-{step:06d}")

    of = f"{data} {family.trained_as(settings)}{first}".encode() + image_codes.tobytes()
    trained_on = loop.Data(task.examples, chosen, held_out, hashlib.blake2b(of, digest_size=8).hexdigest(), answer)
    loop.train(settings, settings.precision, predictor, trained_on, place, device, say, measured)
    return Trained(exported(), out / "quantizer", tuple(began_from))


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
