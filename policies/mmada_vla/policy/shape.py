"""The policy ``mmada-vla-shape``: MMaDA-VLA's layers at any size, without weights. It can be counted, and nothing else.

PyTorch's meta device knows shapes and no numbers, so the published model of 8.1 billion takes no memory.
"""

from __future__ import annotations

import numpy as np

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.shapes import (
    NO_WEIGHTS,
    ShapePolicy,
    WordTokenizer,
    require_square,
    without_weights,
)
from mmact_eval.policies.mmada_vla import require_packages
from mmact_eval.policies.mmada_vla.policy.adapters import adapter_for
from mmact_eval.policies.mmada_vla.policy.options import CHECKS, EVERY, read_options
from mmact_eval.policies.mmada_vla.vocabulary import vocabulary
from mmact_eval.specs import EnvSpec, PolicySpec

NAME = "mmada-vla-shape"


def make_policy(
    env_spec: EnvSpec,
    steps: int = 24,
    refresh: int = 6,
    attention: str = "full",
    goal: int = EVERY,
    picture_tokens: int = 256,
    text_slot: int = 128,
    draws_goal: bool = True,
    dtype: str = "bfloat16",
    d_model: int = 4096,
    n_layers: int = 32,
    n_heads: int = 32,
    mlp_hidden_size: int = 12288,
) -> ShapePolicy:
    """Entry point ``mmada-vla-shape``; the published sizes by default.

    Args:
        env_spec: says which robot it is: LIBERO's or CALVIN's arm. Both views are one picture, whatever cameras there
            are.
        steps, refresh, attention, goal: as in policy ``mmada-vla``.
        picture_tokens: codes of a picture, a square number; a code is of 16 × 16 pixels.
        text_slot: tokens of instruction and state, pads included.
        draws_goal: whether the sequence has a goal picture.
        dtype: that the weights would have.
        d_model, n_layers, n_heads, mlp_hidden_size: of the transformer.

    Raises:
        UsageError: a value makes no sense, or packages are missing.
    """
    options = read_options({"steps": steps, "refresh": refresh, "attention": attention, "goal": goal})
    require_square(NAME, picture_tokens)
    CHECKS.one_of("dtype", dtype, ("float32", "bfloat16", "float16"))
    CHECKS.whole("text_slot", text_slot, least=2)
    if not isinstance(draws_goal, bool):
        raise UsageError(f"policy {NAME}: draws_goal must be true or false, got {draws_goal!r}")
    adapter = adapter_for(env_spec, options.instruction)
    require_packages()
    from mmact_eval.policies.mmada_vla.bins import ActionStatistics
    from mmact_eval.policies.mmada_vla.config import DIM, ModelConfig
    from mmact_eval.policies.mmada_vla.model import MMaDAVLA
    from mmact_eval.policies.mmada_vla.policy.acting import MmadaVlaPolicy

    sizes = {"d_model": d_model, "n_layers": n_layers, "n_heads": n_heads, "mlp_hidden_size": mlp_hidden_size}
    config = ModelConfig(
        d_model,
        n_layers,
        n_heads,
        mlp_hidden_size=mlp_hidden_size,
        n_kv_heads=n_heads,
        vocabulary=vocabulary(image_tokens=picture_tokens),
        chunk=adapter.chunk,
        text_slot=text_slot,
        goal=draws_goal,
        attention="hybrid" if attention == "hybrid" else "full",
    )
    predictor, quantizer = without_weights(config, dtype)
    spec = PolicySpec(
        name=NAME,
        action=adapter.action,
        chunk=adapter.chunk,
        cameras=adapter.cameras,
        state=adapter.state,
        image_convention=adapter.image_convention,
        not_real=NO_WEIGHTS,
        config={
            **options.as_config(), **sizes, "picture_tokens": picture_tokens, "text_slot": text_slot,
            "draws_goal": draws_goal, "dtype": dtype,
        },
    )  # fmt: skip
    none = ActionStatistics(np.zeros(DIM), np.zeros(DIM))
    model = MMaDAVLA(predictor, config, quantizer, WordTokenizer(), none, adapter.robot, config.attention)
    return ShapePolicy(MmadaVlaPolicy(spec, model, adapter, options))
