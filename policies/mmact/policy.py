"""The policy ``mmact``: which weights, for which robot, asked in which way."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.pinning import both_parts, pinned, weights_version
from mmact_eval.policies.llada.policy.trained import checkpoint_in
from mmact_eval.policies.mmact import QUANTIZER, load, require_packages
from mmact_eval.policies.mmact.adapters import Adapter, adapter_for
from mmact_eval.policies.mmact.options import CHECKS, PUBLISHED, Options, read_options
from mmact_eval.policies.mmact.own.nano import NANO, NANO_SPATIAL, NANOS, nano_checkpoint
from mmact_eval.policies.mmact.own.own_defaults import OWN_OPTIONS, OwnDefaults, read_own_defaults
from mmact_eval.policies.mmact.prompts import CHUNK, ONE_ARM
from mmact_eval.policies.mmact.random_weights.tiny import TINY, tiny_checkpoint
from mmact_eval.specs import TRAINED_ON, EnvSpec, PolicySpec

if TYPE_CHECKING:
    from mmact_eval.policies.mmact.acting import MmactPolicy

HOW_TO_RUN_THE_PUBLISHED = (
    f"The published weights (16 GB) run with --policy-args checkpoint={PUBLISHED} (docs/mmact.md)."
)
WHAT_STANDS_IN = {
    TINY: f"Policy mmact has no checkpoint: this is {TINY}, which acts at random.",
    NANO: (
        f"Policy mmact has no checkpoint: this is {NANO}, a small model trained on libero-object (docs/training.md). "
        f"One of libero-spatial is --policy {NANO_SPATIAL}."
    ),
}


def make_policy(
    env_spec: EnvSpec,
    checkpoint: str = "",
    quantizer: str = "",
    variant: str | None = None,
    steps: int = 1,
    decoding: str | None = None,
    temperature: float = 1.0,
    noise: float = 0.0,
    state_mode: str | None = None,
    pad_mask: str = "bool",
    replan: int | None = None,
    plan: int | None = None,
    plan_steps: int | None = None,
    plan_tokens: int | None = None,
    plan_temperature: float = 0.0,
    subgoal: int | None = None,
    subgoal_steps: int = 18,
    subgoal_temperature: float = 1.0,
    device: str = "auto",
    dtype: str = "auto",
) -> MmactPolicy:
    """Entry point ``mmact``.

    Args:
        env_spec: says which robot it is: actions of 7 numbers are one arm, 16 are two.
        checkpoint: a folder, or ``owner/name[/sub/folder][@revision]`` on the Hugging Face hub. A folder that
            `mmact-eval train` wrote holds model and image tokenizer, and says what `variant`, `decoding`, `state_mode`
            and `plan_tokens` are if they are not given; of its ``--out`` the `variant` is taken. ``mmact-nano``: the
            small ones that come with the package, and what acts by default for one arm; ``mmact-nano-spatial``: the one
            of libero-spatial. ``mmact-tiny-random``: random weights, and what acts by default
            where there is no small one.
        quantizer: the image tokenizer, likewise; ``showlab/magvitv2`` by default.
        variant: ``vanilla``, ``text``, ``image`` or ``text-image``: which of them the checkpoint was trained as, and so
            what it is asked for beside actions.
        steps: steps of decoding actions; 1 is a single pass through the model.
        decoding: ``sample`` from the model's distribution, as published. ``argmax`` takes the most likely bin and
            ``median`` the one in the middle, which are other policies.
        temperature: of sampling.
        noise: in the choice of what is masked again between steps.
        state_mode: ``as_released`` (joint angles, one finger) or ``eef_axisangle_gripper2``, as the training data have
            it. One arm only.
        pad_mask: ``bool``, as released, or ``additive``, as the mixed-modality checkpoints were trained.
        replan: how many of the 8 actions are executed before the next query; all by default.
        plan: generate a text at every k-th query, 0 for never; by default as the variant says.
        plan_steps, plan_tokens, plan_temperature: of that text.
        subgoal: generate a picture of what the head camera sees after the chunk, likewise.
        subgoal_steps, subgoal_temperature: of that picture.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: of the transformer: ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        UsageError: a value makes no sense, packages or files are missing, or the environment's robot is another one.
    """
    asked = {
        "steps": steps, "decoding": decoding, "temperature": temperature, "noise": noise, "state_mode": state_mode,
        "pad_mask": pad_mask, "replan": replan, "plan": plan, "plan_steps": plan_steps, "plan_tokens": plan_tokens,
        "plan_temperature": plan_temperature, "subgoal": subgoal, "subgoal_steps": subgoal_steps,
        "subgoal_temperature": subgoal_temperature,
    }  # fmt: skip
    options = read_options(variant or "vanilla", asked)  # what makes no sense is refused before anything is fetched
    adapter = adapter_for(env_spec, options.state_mode)
    weights, images = CHECKS.texts(checkpoint=checkpoint, quantizer=quantizer, device=device, dtype=dtype)[:2]
    require_packages()
    from mmact_eval.policies.llada import checkpoint as checkpoints
    from mmact_eval.policies.mmact.acting import MmactPolicy

    own_images: Path | None  # an image tokenizer beside the model
    if not weights:
        weights = NANO if adapter.robot == "libero" else TINY
        print(f"{WHAT_STANDS_IN[weights]} {HOW_TO_RUN_THE_PUBLISHED}", file=sys.stderr)
    if weights in NANOS:
        if adapter.width != ONE_ARM.state:
            raise UsageError(f"{weights} has one arm; for two, give another checkpoint ({TINY} acts at random)")
        if adapter.robot != "libero":
            raise UsageError(f"{weights} has learned LIBERO; give another checkpoint ({TINY} acts at random)")
        folder, own_images = nano_checkpoint(weights, variant)
        named = f"{weights}@{weights_version(folder, own_images)}"
    elif weights == TINY:
        (folder, own_images), named = both_parts(tiny_checkpoint()), TINY
    else:
        folder, own_images = both_parts(checkpoint_in(checkpoints.find(weights), "mmact", variant))
        named = pinned(weights, folder)
    own = read_own_defaults(folder)
    if own != OwnDefaults():
        stated = {name: getattr(own, name) if value is None else value for name, value in asked.items()
                  if name in OWN_OPTIONS}  # fmt: skip
        options = read_options(variant or own.variant or "vanilla", {**asked, **stated})
        _require_trained(options.variant, own.variant or options.variant, weights)
        adapter = adapter_for(env_spec, options.state_mode)
    if own_images and not images:
        image_folder = own_images
        images_pinned = "" if weights == TINY or weights in NANOS else pinned(str(own_images), own_images)
    else:
        image_folder = checkpoints.find_images(images or QUANTIZER)
        images_pinned = pinned(images or QUANTIZER, image_folder)
    model = load(folder, image_folder, device, dtype, options.pad_mask)
    spec = _spec(
        adapter,
        options,
        name=_name(TINY if weights == TINY else own.name or "mmact", options.variant),
        checkpoint=named,
        quantizer=images_pinned,
        dtype=str(next(model.predictor.parameters()).dtype).removeprefix("torch."),
        not_real=model.not_real,
        trained_on=own.trained_on,
    )
    return MmactPolicy(spec, model, adapter, options)


make_nano = functools.partial(make_policy, checkpoint=NANO)
"""Entry point ``mmact-nano``: the small checkpoints of libero-object that come with the package, of all variants."""

make_nano_spatial = functools.partial(make_policy, checkpoint=NANO_SPATIAL)
"""Entry point ``mmact-nano-spatial``: the small checkpoint of libero-spatial that comes with the package."""


def _require_trained(asked: str, trained: str, checkpoint: str) -> None:
    """
    Raises:
        UsageError: the variant says or draws what such a checkpoint was not trained for. Less than that can be asked.
    """
    if set(asked.split("-")) - set(trained.split("-")) - {"vanilla"}:
        raise UsageError(f"policy mmact: there is no variant {asked} in {checkpoint}, which was trained as {trained}")


def _name(name: str, variant: str) -> str:
    """With the variant, if it is none that the name says."""
    return name if variant == "vanilla" or name.endswith(f"-{variant}") else f"{name}-{variant}"


def _spec(
    adapter: Adapter,
    options: Options,
    name: str,
    checkpoint: str,
    quantizer: str,
    dtype: str,
    not_real: str,
    trained_on: Mapping[str, str],
) -> PolicySpec:
    return PolicySpec(
        name=name,
        action=adapter.action,
        chunk=CHUNK,
        replan=options.replan,
        cameras=adapter.cameras,
        state=adapter.state,
        image_convention=adapter.image_convention,
        checkpoint=checkpoint,
        not_real=not_real,
        config={**options.as_config(), "quantizer": quantizer, "dtype": dtype}
        | ({TRAINED_ON: dict(trained_on)} if trained_on else {}),
    )
