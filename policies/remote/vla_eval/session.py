"""A connection to a vla-eval server: the hello, then an episode's observations and their answers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from mmact_eval.policies.remote.links.websocket_link import OPEN_SECONDS, TooSlow, WebsocketLink
from mmact_eval.policies.remote.openpi.client import ServerFailed
from mmact_eval.policies.remote.policy import last_words
from mmact_eval.policies.remote.pool import Lost, Refused, Unreachable
from mmact_eval.policies.remote.vla_eval.wire import Message, check_version, decode, encode, hello
from mmact_eval.policies.remote.wire.codec import WireError

_OF_THE_PROTOCOL = ("harness_version", "protocol_version")
"""What a hello says of the code that speaks, not of the model."""


class Session:
    """A connection, of one episode at a time.

    Attributes:
        url: where the server is.
        busy: whether an answer is awaited.
    """

    def __init__(self, link: WebsocketLink) -> None:
        self._link = link
        self._numbers = itertools.count(1)
        self.url = link.url
        self.busy = False

    @property
    def alive(self) -> bool:
        return self._link.alive

    async def tell(self, kind: Any, payload: Mapping[str, Any]) -> int:
        """Send something that is not answered."""
        seq = next(self._numbers)
        await self._link.send(encode(kind, payload, seq))
        return seq

    async def ask(self, observation: Mapping[str, Any], seconds: float) -> Message:
        """The answer to an observation.

        Raises:
            Lost, TooSlow, ServerFailed, WireError: there is none.
        """
        seq = await self.tell("observation", observation)
        while True:
            message = decode(await self._link.receive(seconds))
            if message.kind == "error":
                raise ServerFailed(f"{self.url} failed: {last_words(str(message.payload.get('error')))}")
            if message.kind == "action" and message.seq == seq:
                return message
            if message.kind != "action":
                raise WireError(f"{self.url} answered an observation with {message.kind}")

    async def close(self) -> None:
        await self._link.close()


async def say_hello(link: WebsocketLink) -> Mapping[str, Any]:
    """The first thing on a connection.

    Returns:
        What the server says of itself, but for the versions of the code that speaks.

    Raises:
        Unreachable, Refused, WireError: it is no server of vla-eval's, or not now.
    """
    await link.send(encode("hello", hello(), 0))
    try:
        message = decode(await link.receive(OPEN_SECONDS))
    except (TooSlow, Lost) as error:
        raise Unreachable("it did not answer the hello; it is busy, or does not speak vla-eval's protocol") from error
    except WireError as error:
        raise Refused(
            f"{link.url} does not speak vla-eval's protocol: {error} (an openpi server? --policy {link.url})"
        ) from error
    if message.kind != "hello":
        raise Refused(f"{link.url} answered a hello with {message.kind}: {str(dict(message.payload))[:200]}")
    check_version(message.payload)
    return {key: value for key, value in message.payload.items() if key not in _OF_THE_PROTOCOL}
