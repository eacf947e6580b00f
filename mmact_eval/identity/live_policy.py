"""What can be said of a policy object that somebody else has made: a model in training, say."""

from __future__ import annotations

import functools
import inspect
import os
import uuid
from pathlib import Path
from typing import Any

from mmact_eval import compat
from mmact_eval.identity.code_files import code_of, is_installed
from mmact_eval.identity.content_hash import content_hash
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.identity.named_paths import named_paths
from mmact_eval.protocols import Policy
from mmact_eval.transforms.wrapped_policy import WrappedPolicy

_HOW_TO_NAME_IT = "evaluate(identity=…) says what it is made of"


def name_of(thing: object) -> str:
    """``module:Class`` of a class, a function, or an object's class; of a `functools.partial` what it calls."""
    named = _with_a_name(thing)
    return f"{named.__module__}:{named.__qualname__}"


def _with_a_name(thing: object) -> Any:
    while isinstance(thing, functools.partial):
        thing = thing.func
    return thing if hasattr(thing, "__qualname__") else type(thing)


def source_file(thing: object) -> Path | None:
    """The user's file that a class, a function or an object's class is written in, of a `functools.partial` what it
    calls; None in a notebook, and of what is installed."""
    try:
        found = inspect.getsourcefile(_with_a_name(thing))
    except (OSError, TypeError):
        return None
    path = Path(os.path.abspath(found)) if found else None
    return path if path is not None and path.is_file() and not is_installed(path) else None


def of_object(policy: Policy, name: str, identity: str) -> MadePolicy:
    """A policy object with what is known of it: the code of its class, files that its spec names, and `identity`.

    What it holds in memory has no name. Without an identity it gets one that no other object has, in this process or a
    later one, so that nobody's results are taken for its own.

    Args:
        policy: the object.
        name: for the fingerprint.
        identity: what it is made of, in its owner's words; "" if that is not told.
    """
    file = source_file(type(policy))
    code = {os.path.relpath(path, file.parent): content_hash(path) for path in code_of([file]).files} if file else {}
    named = dict(named_paths(policy.spec.checkpoint, "spec.checkpoint"))
    return MadePolicy(
        policy=policy if compat.plain(policy.spec) is policy.spec else WrappedPolicy(policy, compat.plain(policy.spec)),
        typed=name,
        target=name,
        args={"identity": identity or f"an object like no other ({uuid.uuid4().hex[:12]}; {_HOW_TO_NAME_IT})"},
        code=code,
        paths={key: found for key, path in named.items() if (found := content_hash(path))},
        named=named,
        late=None,
    )
