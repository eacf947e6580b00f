"""What all transforms have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from mmact_eval import protocols, suite
from mmact_eval.transforms.wrapped_policy import WrappedPolicy


class Settings(suite.Strict):
    """Settings of a transform as a study's file has them."""


class Wrapping(Protocol):
    """Settings that know the transform they belong to."""

    def wrap(self, policy: protocols.Policy, protocol: suite.Protocol) -> protocols.Policy:
        """The policy transformed.

        Args:
            policy: any.
            protocol: of the suite it will run on.

        Raises:
            UsageError: this transform makes no sense for this policy or protocol.
        """
        ...


class TransformedPolicy(WrappedPolicy):
    """A policy with a transform, which its spec names."""

    def __init__(self, inner: protocols.Policy, told: str, transform: str, settings: Mapping[str, Any]) -> None:
        """
        Args:
            inner: the policy.
            told: what is done to it, in a few words.
            transform: the transform's name.
            settings: its settings, plain data.
        """
        before = inner.spec.config.get("transforms", [])
        config = {**inner.spec.config, "transforms": [*before, {transform: dict(settings)}]}
        super().__init__(inner, replace(inner.spec, name=f"{inner.spec.name} + {told}", config=config))
