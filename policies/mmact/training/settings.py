"""What a training's configuration file says."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mmact_eval.config.suite_file import canonical, is_path
from mmact_eval.config.yaml_file import Document, read
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.llada.training.settings import AtLeastOne, Count, Optimizer, QuantizerSettings, Weight
from mmact_eval.suite import Strict

Target = Literal["action", "text", "image"]


class ModelSettings(Strict):
    """The transformer's size, as in config.json."""

    d_model: AtLeastOne = 128
    n_layers: AtLeastOne = 4
    n_heads: AtLeastOne = 4
    mlp_hidden_size: AtLeastOne = 384
    rope_theta: float = Field(default=10_000.0, gt=0.0)
    bins: AtLeastOne = 1024


class Weights(Strict):
    """The weight of each target's loss."""

    action: Weight = 0.0
    text: Weight = 0.0
    image: Weight = 0.0


class Batch(Strict):
    """Examples of each target in a step."""

    action: Count = 0
    text: Count = 0
    image: Count = 0


class Stage(Strict):
    """A part of the training, with its own warm-up and cosine.

    Attributes:
        steps: how long.
        weights: of the losses; a target of weight 0 is left out.
        batch: examples of each target in a step.
        optimizer: of this stage.
    """

    steps: AtLeastOne
    weights: Weights
    batch: Batch
    optimizer: Optimizer = Optimizer()


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


class Training(Strict):
    """A whole training.

    Attributes:
        name: of the checkpoint, in tables.
        data: folders that `mmact-eval record` made.
        seed: of everything random.
        variant: which of the paper's four models: which targets beside actions are trained.
        state_mode: which numbers are the state (see docs/mmact.md).
        held_out: the part of the demonstrations kept for the held-out loss.
        text_tokens: tokens of the text tokenizer beside the special ones, at most.
        plan_tokens: length of a text target.
        full_masks: the part of the action targets that are masked as a whole, as decoding in one step has them.
        tokenizers: the folder (``--out``) of another training whose image and text tokenizer are used instead of new
            ones; `quantizer` and `text_tokens` are then of no account.
        first_weights: the folder of a variant in another training (``OUT/VARIANT``) whose weights are gone on from,
            with its tokenizers; sizes must be the same, data may differ.
        quantizer, model: sizes.
        stages: by name, one after the other.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 on a GPU.
        report_every: steps between two lines of progress, with the held-out loss.
        save_every: steps between two saved states.
        rollouts: success in the simulator.
        decoding: how the checkpoint's actions are decoded if nothing else is asked for.
        stored: precision of the transformer's weights in the checkpoint.
    """

    name: str
    data: tuple[str, ...] = Field(min_length=1)
    seed: Count = 0
    variant: Literal["vanilla", "text", "image", "text-image"] = "vanilla"
    state_mode: Literal["as_released", "eef_axisangle_gripper2"] = "eef_axisangle_gripper2"
    held_out: float = Field(default=0.1, ge=0.0, lt=1.0)
    text_tokens: AtLeastOne = 600
    plan_tokens: AtLeastOne = 16
    full_masks: float = Field(default=0.5, ge=0.0, le=1.0)
    tokenizers: Path | None = None
    first_weights: Path | None = None
    quantizer: QuantizerSettings = QuantizerSettings()
    model: ModelSettings = ModelSettings()
    stages: dict[str, Stage] = Field(min_length=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    report_every: AtLeastOne = 100
    save_every: AtLeastOne = 500
    rollouts: Rollouts = Rollouts()
    decoding: Literal["sample", "argmax", "median"] = "sample"
    stored: Literal["float32", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _something_to_learn(self) -> Training:
        for name, stage in self.stages.items():
            if not self.targets(stage) and (stage.weights.action or self.variant == "text-image"):
                raise ValueError(f'stage "{name}" trains nothing: its weights or batches are 0')
        if not any(self.targets(stage) for stage in self.stages.values()):
            raise ValueError(f"nothing is trained: variant {self.variant} has no target in any stage")
        return self

    @property
    def made_before(self) -> Path | None:
        """The folder that the tokenizers are taken from; None if they are trained."""
        return self.tokenizers or (expanded(self.first_weights).absolute().parent if self.first_weights else None)

    def targets(self, stage: Stage) -> dict[Target, tuple[float, int]]:
        """What a stage trains: target → weight and batch. A stage may be empty for a variant without its targets."""
        has: dict[Target, bool] = {
            "action": True, "text": "text" in self.variant.split("-"), "image": "image" in self.variant.split("-")
        }  # fmt: skip
        asked = {name: (getattr(stage.weights, name), getattr(stage.batch, name)) for name in has}
        return {name: both for name, both in asked.items() if has[name] and all(both)}


def read_settings(name_or_path: str | Path, overrides: tuple[str, ...] = ()) -> Training:
    """A configuration, with fields changed as in ``stages.act.steps=100``.

    Args:
        name_or_path: ``nano``, or a path: whatever contains a ``/`` or ends in ``.yaml`` or ``.yml``.
        overrides: fields to change.

    Raises:
        UsageError: it cannot be read, or says something that makes no sense; names the line.
    """
    document = _found(str(name_or_path))
    for override in overrides:
        document = document.set(override)
    return document.checked(Training)


def _found(name_or_path: str) -> Document:
    if is_path(name_or_path):
        return read(expanded(name_or_path), name_or_path)
    files = {file.stem: file for file in Path(str(resources.files(__package__))).glob("*.yaml")}
    if canonical(name_or_path) not in files:
        raise UsageError(
            f'There is no training configuration "{name_or_path}".{did_you_mean(name_or_path, files)} The package has: '
            f"{', '.join(sorted(files))}; a file is named by its path, e.g. ./{name_or_path}.yaml"
        )
    return read(files[canonical(name_or_path)], name_or_path)
