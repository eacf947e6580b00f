"""The policy ``mmact-shape``: MM-ACT's layers at any size, without weights. It can be counted, and nothing else.

PyTorch's meta device knows shapes and no numbers, so the published model of 8.1 billion takes no memory. Any number of
views and of tokens in a picture can be asked for, whether anybody has trained such a model or not.
"""

from __future__ import annotations

from dataclasses import replace

from mmact_eval.policies.llada.policy.shapes import (
    NO_WEIGHTS,
    ShapePolicy,
    WordTokenizer,
    require_square,
    without_weights,
)
from mmact_eval.policies.mmact import require_packages
from mmact_eval.policies.mmact.adapters import Adapter, adapter_for
from mmact_eval.policies.mmact.options import CHECKS, Options, read_options
from mmact_eval.policies.mmact.prompts import (
    CHUNK,
    EMBODIMENTS,
    HEAD_VIEW,
    LEFT_WRIST_VIEW,
    RIGHT_WRIST_VIEW,
    WRIST_VIEW,
    Embodiment,
)
from mmact_eval.policies.mmact.vocabulary import PUBLISHED
from mmact_eval.specs import EnvSpec, PolicySpec

NAME = "mmact-shape"
_VIEWS = (HEAD_VIEW, WRIST_VIEW, LEFT_WRIST_VIEW, RIGHT_WRIST_VIEW)
_LONGEST = 2**17
"""Tokens of a sequence. The published model ends at 4096, which no sequence of two views comes near."""


def make_policy(
    env_spec: EnvSpec,
    variant: str = "vanilla",
    steps: int = 1,
    plan_steps: int | None = None,
    plan_tokens: int | None = None,
    picture_tokens: int = 256,
    dtype: str = "bfloat16",
    d_model: int = 4096,
    n_layers: int = 32,
    n_heads: int = 32,
    mlp_hidden_size: int = 12288,
) -> ShapePolicy:
    """Entry point ``mmact-shape``; the published sizes by default.

    Args:
        env_spec: says which robot it is; all its cameras are views.
        variant, steps, plan_steps, plan_tokens: as in policy ``mmact``.
        picture_tokens: codes of a view, a square number; a code is of 16 × 16 pixels.
        dtype: that the weights would have.
        d_model, n_layers, n_heads, mlp_hidden_size: of the transformer.

    Raises:
        UsageError: a value makes no sense, or packages are missing.
    """
    options = read_options(variant, {"steps": steps, "plan_steps": plan_steps, "plan_tokens": plan_tokens})
    require_square(NAME, picture_tokens)
    CHECKS.one_of("dtype", dtype, ("float32", "bfloat16", "float16"))
    adapter = replace(adapter_for(env_spec, options.state_mode), cameras=tuple(env_spec.cameras))
    require_packages()
    from mmact_eval.policies.mmact.acting import MmactPolicy
    from mmact_eval.policies.mmact.config import ModelConfig
    from mmact_eval.policies.mmact.model import MMACT

    words = replace(PUBLISHED, image_tokens=picture_tokens)
    sizes = {"d_model": d_model, "n_layers": n_layers, "n_heads": n_heads, "mlp_hidden_size": mlp_hidden_size}
    config = ModelConfig(**sizes, n_kv_heads=n_heads, max_sequence_length=_LONGEST, vocabulary=words)
    predictor, quantizer = without_weights(config, dtype)

    model = MMACT(predictor, quantizer, WordTokenizer(), "bool", _embodiment(adapter))
    spec = _spec(adapter, options, {**sizes, "picture_tokens": picture_tokens, "dtype": dtype})
    return ShapePolicy(MmactPolicy(spec, model, adapter, options))


def _embodiment(adapter: Adapter) -> Embodiment:
    """Of as many views as there are cameras."""
    (robot,) = [known for known in EMBODIMENTS if known.state == adapter.width]
    views = [*_VIEWS, *[RIGHT_WRIST_VIEW] * len(adapter.cameras)][: len(adapter.cameras)]
    return replace(robot, views=tuple(views), total=_LONGEST)


def _spec(adapter: Adapter, options: Options, sizes: dict[str, object]) -> PolicySpec:
    return PolicySpec(
        name=NAME,
        action=adapter.action,
        chunk=CHUNK,
        cameras=adapter.cameras,
        state=adapter.state,
        image_convention=adapter.image_convention,
        not_real=NO_WEIGHTS,
        config={**options.as_config(), **sizes},
    )
