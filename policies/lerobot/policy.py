"""A LeRobot policy behind the engine's protocol. Imports torch."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

from mmact_eval.errors import UsageError
from mmact_eval.policies.lerobot.features import match_cameras, match_replan, match_state
from mmact_eval.policies.lerobot.normalization import check_normalization
from mmact_eval.policies.lerobot.weights import load
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

_DRAWS_NOTHING = ("act",)
"""Types of policies without random numbers at evaluation: these are asked in batches."""

_STATE = "observation.state"


class LerobotPolicy:
    """Whole chunks by the library's `predict_action_chunk`, its processors before and after."""

    def __init__(
        self,
        env_spec: EnvSpec,
        checkpoint: str,
        device: str,
        replan: int | None,
        cameras: Mapping[str, str],
        state: tuple[str, ...],
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        config = _config(checkpoint, device)
        chunk = int(getattr(config, "chunk_size", config.n_action_steps))
        executed = match_replan(int(config.n_action_steps), chunk, replan)
        self._cameras = match_cameras(env_spec, list(config.image_features), cameras)
        feature = config.robot_state_feature
        self._state = match_state(env_spec, feature.shape[0] if feature else None, state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._policy = load(get_policy_class(config.type), checkpoint, config)
            self._before, self._after = _processors(config, checkpoint, device)
        inputs = [*self._cameras, *([_STATE] if self._state else [])]
        check_normalization(checkpoint, config, self._before, self._after, inputs)
        self._policy.eval()
        self._batched = config.type in _DRAWS_NOTHING
        self.spec = PolicySpec(
            name=f"lerobot {config.type}",
            action=replace(env_spec.action, dim=config.action_feature.shape[0]),
            chunk=chunk,
            replan=executed,
            cameras=tuple(dict.fromkeys(self._cameras.values())),
            state=self._state,
            image_size=_image_size(config, self._cameras),
            image_convention="rotated 180°" if env_spec.name == "libero" else "",
            checkpoint=checkpoint,
            config={"type": config.type, "cameras": dict(self._cameras), "state": list(self._state)},
        )

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Chunks are predicted from one observation: nothing is remembered."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """Policies that draw random numbers are asked one by one, each with those of its query."""
        if self._batched:
            return self._predict(queries)
        outputs = []
        for query in queries:
            with torch.random.fork_rng():
                torch.manual_seed(query.episode.derived_seed("policy", query.index))
                outputs += self._predict([query])
        return outputs

    def free_weights(self) -> None:
        """Drop the model: replicas of this policy answer, and it is asked nothing any more."""
        for part in ("_policy", "_before", "_after"):
            vars(self).pop(part, None)
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _predict(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        self._policy.reset()
        with torch.inference_mode():
            chunks = self._policy.predict_action_chunk(self._before(self._batch(queries)))
            actions = self._after(chunks).float().cpu().numpy()
        return [PolicyOutput(np.ascontiguousarray(chunk)) for chunk in actions]

    def _batch(self, queries: Sequence[Query]) -> dict[str, Any]:
        """What LeRobot's processors expect: images (B, 3, H, W) from 0 to 1, states (B, D), instructions."""
        seen = [query.observation for query in queries]
        batch: dict[str, Any] = {"task": [observation.instruction for observation in seen]}
        for key, camera in self._cameras.items():
            images = torch.from_numpy(np.stack([observation.images[camera] for observation in seen]))
            batch[key] = images.permute(0, 3, 1, 2).float() / 255.0
        if self._state:
            states = [np.concatenate([observation.state[key] for key in self._state]) for observation in seen]
            batch[_STATE] = torch.from_numpy(np.stack(states)).float()
        return batch


def _config(checkpoint: str, device: str) -> Any:
    """The checkpoint's configuration.

    Raises:
        UsageError: there is none, or its policy needs more than one observation at a time.
    """
    try:
        config = PreTrainedConfig.from_pretrained(checkpoint)
    except Exception as error:  # the library and the hub raise a dozen kinds
        raise UsageError(f'policy lerobot: "{checkpoint}" is no LeRobot checkpoint: {_in_a_line(error)}') from error
    if config.n_obs_steps > 1 or getattr(config, "temporal_ensemble_coeff", None) is not None:
        raise UsageError(
            f"policy lerobot: {config.type} with a history of observations or temporal ensembling needs every step's "
            "observation; only policies that predict chunks from one observation are supported."
        )
    config.device = device
    return config


def _processors(config: Any, checkpoint: str, device: str) -> tuple[Any, Any]:
    """The checkpoint's pre- and post-processor.

    Raises:
        UsageError: it has none, as those of old versions of the library, or they cannot be read.
    """
    try:
        before, after = make_pre_post_processors(
            config, checkpoint, preprocessor_overrides={"device_processor": {"device": device}}
        )
    except Exception as error:  # as above
        raise UsageError(
            f'policy lerobot: the processors of "{checkpoint}" cannot be loaded: {_in_a_line(error)}'
        ) from error
    return before, after


def _in_a_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _image_size(config: Any, cameras: Mapping[str, str]) -> tuple[int, int] | None:
    """What the checkpoint was trained on; None if it resizes by itself or is not of one mind."""
    if getattr(config, "resize_imgs_with_padding", None) or getattr(config, "image_resolution", None):
        return None
    sizes = {tuple(config.image_features[key].shape[1:]) for key in cameras}
    return next(iter(sizes)) if len(sizes) == 1 else None
