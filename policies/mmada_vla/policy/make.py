"""The policy ``mmada-vla``: which weights, for which robot, asked in which way."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.own_defaults import read_own
from mmact_eval.policies.mmada_vla import load, require_packages
from mmact_eval.policies.mmada_vla.own.nano import NANO, STANDS_IN
from mmact_eval.policies.mmada_vla.policy.adapters import adapter_for
from mmact_eval.policies.mmada_vla.policy.options import CHECKS, EVERY, read_options
from mmact_eval.policies.mmada_vla.policy.own_defaults import OwnDefaults
from mmact_eval.policies.mmada_vla.policy.tiny import TINY
from mmact_eval.policies.mmada_vla.policy.weights import NO_CHECKPOINT, find_weights
from mmact_eval.specs import TRAINED_ON, EnvSpec, PolicySpec

if TYPE_CHECKING:
    from mmact_eval.policies.mmada_vla.policy.acting import MmadaVlaPolicy


def make_policy(
    env_spec: EnvSpec,
    checkpoint: str = "",
    quantizer: str = "",
    tokenizer: str = "",
    action_stats: str = "",
    variant: str | None = None,
    attention: str | None = None,
    instruction: str | None = None,
    steps: int | None = None,
    refresh: int | None = None,
    decoding: str | None = None,
    temperature: float | None = None,
    noise: float | None = None,
    replan: int | None = None,
    goal: int = EVERY,
    device: str = "auto",
    dtype: str = "auto",
) -> MmadaVlaPolicy:
    """Entry point ``mmada-vla``.

    Args:
        env_spec: says which robot it is: LIBERO's or CALVIN's arm.
        checkpoint: a folder, or ``owner/name[/sub/folder][@revision]`` on the Hugging Face hub; its length of a chunk
            is what is answered. A folder with `model` and `quantizer` holds the image tokenizer too.
            ``mmada-nano``: the small one that comes with the package, and what acts by default on LIBERO.
            ``mmada-vla-tiny-random``: random weights.
        quantizer: the image tokenizer, likewise; ``showlab/magvitv2`` by default.
        tokenizer: the text tokenizer, likewise; by default the checkpoint's own, else ``Gen-Verse/MMaDA-8B-Base``'s.
        action_stats: the JSON file of what actions were normalized with; by default ``action_stats_{chunk}chunk.json``
            beside the checkpoint's weights.
        variant: which checkpoint of a training's ``--out`` is meant: ``goal``, ``no-goal``, ``goal-hybrid`` or
            ``no-goal-hybrid``; needed where it has made several.
        attention: ``full``, as released, or ``hybrid``, as in the paper.
        instruction: ``as_released``: the environment's. ``as_trained``: of libero-long and libero-90 with the scene in
            front, as in the authors' training data.
        steps: steps of decoding; 24 by default.
        refresh: a pass through the model at every so many of them, logits held in between; 6 by default.
        decoding: ``sample`` from the model's distribution, as released. ``median`` takes of each number of an action
            the bin in the middle, which is another policy.
        temperature: of sampling, 1 by default; 0 takes the most likely codes.
        noise: in the choice of what is masked again, 1 by default; it fades from step to step.
        replan: how many actions are executed before the next query; by default the whole chunk.
        goal: show the picture of the goal at every k-th query, 0 for never.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: of the transformer: ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        UsageError: a value makes no sense, packages or files are missing, or the environment's robot is another one.
    """
    asked = {
        "attention": attention, "instruction": instruction, "steps": steps, "refresh": refresh, "decoding": decoding,
        "temperature": temperature, "noise": noise, "replan": replan, "goal": goal,
    }  # fmt: skip
    options = read_options(asked)  # what makes no sense is refused before anything is fetched
    adapter = adapter_for(env_spec, options.instruction)
    weights, images, words, statistics = CHECKS.texts(
        checkpoint=checkpoint, quantizer=quantizer, tokenizer=tokenizer, action_stats=action_stats
    )  # fmt: skip
    CHECKS.texts(device=device, dtype=dtype, variant=variant or "")
    if not weights and adapter.robot == "libero":
        weights = NANO
        print(STANDS_IN, file=sys.stderr)
    if not weights:
        raise UsageError(NO_CHECKPOINT)
    if weights == NANO and adapter.robot != "libero":
        raise UsageError(f"{NANO} has learned LIBERO; give another checkpoint ({TINY} acts at random)")
    require_packages()
    from mmact_eval.policies.mmada_vla.config import read_config, variant_name
    from mmact_eval.policies.mmada_vla.policy.acting import MmadaVlaPolicy

    found = find_weights(weights, images, words, statistics, adapter.chunk, variant)
    folder = found.model.path
    own = read_own(folder, OwnDefaults)
    config = read_config(folder)
    options = read_options(own.fill(asked))
    made = variant_name(config.goal, config.attention)
    if variant and variant != made:
        raise UsageError(f"policy mmada-vla: there is no variant {variant} in {weights}, which is {made}")
    options.require_chunk(config.chunk)
    adapter = adapter_for(env_spec, options.instruction)
    adapter.require_ranges(config.state_ranges)
    model = load(
        folder, found.quantizer.path, found.tokenizer.path.parent, statistics or None, adapter.robot, device, dtype,
        options.attention,
    )  # fmt: skip
    spec = PolicySpec(
        name=TINY if found.random else own.name or "mmada-vla",
        action=adapter.action,
        chunk=config.chunk,
        replan=options.replan,
        cameras=adapter.cameras,
        state=adapter.state,
        image_convention=adapter.image_convention,
        checkpoint=found.checkpoint(),
        not_real=model.not_real,
        config={
            **options.as_config(),
            **found.others(),
            "dtype": str(next(model.predictor.parameters()).dtype).removeprefix("torch."),
            **({TRAINED_ON: dict(own.trained_on)} if own.trained_on else {}),
        },
    )
    return MmadaVlaPolicy(spec, model, adapter, options)


make_nano = functools.partial(make_policy, checkpoint=NANO)
"""Entry point ``mmada-nano``: the small checkpoint of libero-object that comes with the package."""
