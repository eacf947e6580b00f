"""vla-eval's messages: ``{type, payload, seq, timestamp}`` in msgpack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mmact_eval import __version__
from mmact_eval.policies.remote.wire.codec import WireError, pack, unpack

Kind = Literal["hello", "observation", "action", "episode_start", "episode_end", "error"]
_KINDS = ("hello", "observation", "action", "episode_start", "episode_end", "error")

PROTOCOL_VERSION = 1

RESTART = "episode_restart"
"""Key of an observation, true where the next of several tasks in a row begins: what is remembered has to go."""


@dataclass(frozen=True)
class Message:
    """A message.

    Attributes:
        kind: what it is.
        payload: what it holds.
        seq: number of the question; the answer has the same.
    """

    kind: Kind
    payload: Mapping[str, Any]
    seq: int


def encode(kind: Kind, payload: Mapping[str, Any], seq: int) -> bytes:
    """Raises `WireError` for what cannot be sent."""
    return pack({"type": kind, "payload": payload, "seq": seq, "timestamp": time.time()}, "vla-eval")


def decode(frame: bytes | str) -> Message:
    """Raises `WireError` for what is no message."""
    if isinstance(frame, str):
        raise WireError(f"vla-eval's messages are binary; this is the text {frame[:80]!r}")
    found = unpack(frame, "vla-eval")
    if not isinstance(found, Mapping) or found.get("type") not in _KINDS:
        what = f"type {str(found.get('type'))[:40]!r}" if isinstance(found, Mapping) else f"a {type(found).__name__}"
        raise WireError(f"this is no message of vla-eval's protocol: {what}")
    payload, seq = found.get("payload"), found.get("seq")
    if not isinstance(payload, Mapping) or type(seq) is not int:
        raise WireError("a message needs a payload (a map) and a seq (a whole number)")
    return Message(found["type"], payload, seq)


def hello(**more: Any) -> dict[str, Any]:
    """The payload of a hello."""
    return {"harness_version": f"mmact-eval {__version__}", "protocol_version": PROTOCOL_VERSION, **more}


def check_version(payload: Mapping[str, Any]) -> None:
    """Raises `WireError` when the other side speaks another version."""
    version = payload.get("protocol_version")
    if version != PROTOCOL_VERSION:
        raise WireError(f"the other side speaks version {str(version)[:20]} of vla-eval's protocol, not 1")
