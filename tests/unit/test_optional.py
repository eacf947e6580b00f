"""Optional members of plug-ins are found where they are: on the object, or shown through by a wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mmact_eval.optional import (
    OF_ENV_PLUGINS,
    OF_ENVS,
    OF_POLICIES,
    Closes,
    CoversEpisodes,
    NamesTransport,
    RemarksOnResults,
    members,
)
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.transforms.wrapped_policy import WrappedPolicy
from mmact_eval.types import Episode, PolicyOutput, Query

SPEC = PolicySpec("inner", ActionSpec(2, "position_delta"), chunk=1)


class Inner:
    spec = SPEC
    transport_args = frozenset({"host"})

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return []

    def covers(self, suite: Suite, episodes: Sequence[Episode]) -> Sequence[Episode]:
        return episodes[:1]


class UsersWrapper:
    """What somebody may write who has never heard of `WrappedPolicy`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize(
    "policy",
    [Inner(), WrappedPolicy(Inner(), replace(SPEC, name="outer")), UsersWrapper(Inner())],
    ids=lambda policy: type(policy).__name__,
)
def test_members_of_a_wrapped_policy_are_its_own_on_every_python(policy: object) -> None:
    assert isinstance(policy, CoversEpisodes)
    assert isinstance(policy, NamesTransport)
    assert not isinstance(policy, RemarksOnResults)
    assert not isinstance(policy, Closes)


def test_what_is_none_or_no_method_is_not_offered() -> None:
    policy: Any = Inner()
    policy.covers, policy.transport_args, policy.close = None, None, "yes"
    assert not isinstance(policy, CoversEpisodes)
    assert not isinstance(policy, NamesTransport)
    assert not isinstance(policy, Closes)


def test_a_wrapper_that_is_not_made_yet_offers_nothing() -> None:
    assert not isinstance(WrappedPolicy.__new__(WrappedPolicy), UsersWrapper)
    assert not isinstance(object(), OF_POLICIES + OF_ENVS + OF_ENV_PLUGINS)


def test_each_protocol_asks_for_one_member_that_no_other_asks_for() -> None:
    names = [members(protocol) for protocol in (*OF_POLICIES, *OF_ENVS, *OF_ENV_PLUGINS)]
    assert all(len(found) == 1 for found in names)
    assert len(set(names)) == len(names)
