"""The whole way from recorded demonstrations to a checkpoint; what is there already is not made again.

OUT/cache/       pictures of the data sets
OUT/state.pt     where the training goes on
OUT/log.jsonl    its losses
OUT/checkpoint/  config.json and model.safetensors, for `--policy-args checkpoint=`
OUT/rollouts/    run folders
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import save_file

from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.llada import checkpoint as checkpoints
from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.training import rollouts
from mmact_eval.policies.llada.training.data import frames, recordings
from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.learning import loop
from mmact_eval.policies.llada.training.pipeline import Measure, Trained
from mmact_eval.policies.vit_mlp.config import MODEL_TYPE, ModelConfig, Own
from mmact_eval.policies.vit_mlp.inputs import statistics
from mmact_eval.policies.vit_mlp.model import VitMlp, new_model
from mmact_eval.policies.vit_mlp.robots import Arm
from mmact_eval.policies.vit_mlp.training.settings import NOT_TRAINED, Training
from mmact_eval.policies.vit_mlp.training.source import robot_that_recorded, source
from mmact_eval.policies.vit_mlp.training.targets import Examples, answer
from mmact_eval.policies.vit_mlp.words import learned

Say = Callable[[str], None]


def train(
    settings: Training, out: Path, device_name: str = "auto", say: Say = print, measure: Measure | None = None
) -> Trained:
    """Train, going on where a state in the folder says.

    Args:
        settings: how.
        out: the folder for all that is made.
        device_name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        say: gets lines of progress.
        measure: as the pipeline of masked-token models has it; None for a run of the harness.

    Raises:
        UsageError: data that cannot be read, or a folder that holds another training.
        OSError: `out` cannot be written.
    """
    device = checkpoints.pick_device(device_name)
    if measure is None:
        rollouts.require_episodes(settings.rollouts)  # else it would be told at the end
    folders = [expanded(folder) for folder in settings.data]
    robot = robot_that_recorded(folders)
    began_from = recordings.starts(folders)
    out.mkdir(parents=True, exist_ok=True)
    moments = frames.load_moments(folders, source(robot, settings.chunk), settings.size.side, out / "cache", say)
    chosen, held_out = moments.split(settings.held_out, settings.seed)
    say(f"{len(moments)} moments of {len(moments.starts)} starts and {len(moments.instructions)} tasks; "
        f"{len(held_out)} of them held out")  # fmt: skip

    config = config_of(settings, robot, moments, chosen, began_from)
    model = new_model(config, settings.seed)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    say(f"a network of {numbers / 1e6:.2f} million parameters; {len(config.words)} words, {config.word_slots} in an "
        "instruction")  # fmt: skip
    measure = measure or functools.partial(rollouts.measure, MODEL_TYPE)

    def exported() -> Path:
        return export(out / "checkpoint", config, model)

    def measured(step: int) -> str:
        return measure(settings.rollouts, exported(), out / "rollouts" / f"step-{step:06d}")

    of = f"{MODEL_TYPE} {recordings.digest(folders)} {settings.model_dump_json(exclude=set(NOT_TRAINED))}"
    digest = hashlib.blake2b(of.encode(), digest_size=8).hexdigest()
    data = loop.Data(Examples(moments, config, settings.shift, device), chosen, held_out, digest, answer)
    loop.train(settings, settings.precision, model, data, out, device, say, measured)
    return Trained(exported(), None, tuple(began_from))


def config_of(
    settings: Training, robot: Arm, moments: Moments, chosen: Indices, began_from: Mapping[str, str]
) -> ModelConfig:
    """What the checkpoint will say.

    Args:
        settings: how it is trained.
        robot: whose demonstrations they are.
        moments: all of them.
        chosen: those trained on, whose states are the measure of all.
        began_from: suite → init states.
    """
    words, slots = learned(map(str, moments.instructions))
    mean, std = statistics(moments.states[chosen])
    return ModelConfig(
        robot=robot.robot, views=len(robot.cameras), chunk=settings.chunk, words=words, word_slots=slots,
        state_mean=mean, state_std=std, size=settings.size,
        mmact_eval=Own(name=settings.name, trained_on=dict(began_from)),
    )  # fmt: skip


def export(folder: Path, config: ModelConfig, model: VitMlp) -> Path:
    """Write a checkpoint in the place of what is there; returns the folder.

    Raises:
        OSError: it cannot be written.
    """
    half = folder.with_name(f".{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    (half / CONFIG_FILE).write_text(config.as_json(), encoding="utf-8")
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, half / "model.safetensors", metadata={"format": "pt"})
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(half, folder)
    return folder
