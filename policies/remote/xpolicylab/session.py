"""A connection to an XPolicyLab server: the hello, then one question at a time, with heartbeats while one waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from mmact_eval.policies.remote.links.websocket_link import OPEN_SECONDS, TooSlow, WebsocketLink
from mmact_eval.policies.remote.openpi.client import ServerFailed
from mmact_eval.policies.remote.policy import last_words
from mmact_eval.policies.remote.pool import Lost, Refused, Unreachable
from mmact_eval.policies.remote.wire.codec import WireError
from mmact_eval.policies.remote.xpolicylab.wire import ANSWERS, Message, Trial, decode, encode

EVALUATION = "mmact-eval"
"""What this side calls its evaluations."""

_HEARTBEAT_SECONDS = 20.0
"""A longer silence is broken: routers and proxies forget connections on which nothing is said."""


class Session:
    """A connection.

    Attributes:
        url: where the server is.
        busy: whether an answer is awaited.
    """

    def __init__(self, link: WebsocketLink) -> None:
        self._link = link
        self.url = link.url
        self.busy = False

    @property
    def alive(self) -> bool:
        return self._link.alive

    async def ask(self, question: Message, seconds: float) -> Mapping[str, Any]:
        """The payload of the answer to a question.

        Raises:
            Lost, TooSlow, ServerFailed, WireError: there is none.
        """
        now = asyncio.get_running_loop().time
        until = now() + seconds
        await self._link.send(encode(question))
        while True:
            left = max(0.0, until - now())
            try:
                message = decode(await self._link.receive(min(left, _HEARTBEAT_SECONDS)))
            except TooSlow as error:
                if left <= _HEARTBEAT_SECONDS:
                    told = f"{self.url} has not answered {question.kind} for {seconds:g} s (timeout)"
                    raise TooSlow(told) from error
                await self._link.send(encode(Message("heartbeat", question.trial)))
                continue
            if message.kind == "heartbeat_ack":  # it may come late, or not at all from one who computes
                continue
            return self._payload(question, message)

    def _payload(self, question: Message, message: Message) -> Mapping[str, Any]:
        if message.kind == "error":
            code, why = (str(message.payload.get(key, "")) for key in ("code", "message"))
            raise ServerFailed(f"{self.url} failed: {last_words(': '.join(filter(None, (code, why))))}")
        if message.kind != ANSWERS[question.kind]:
            raise WireError(f"{self.url} answered {question.kind} with {message.kind}, not {ANSWERS[question.kind]}")
        if message.number != question.number:
            raise WireError(
                f"{self.url} answered {question.kind} number {message.number}, and was asked number {question.number}"
            )
        return message.payload

    async def close(self) -> None:
        await self._link.close()


async def say_hello(link: WebsocketLink) -> Mapping[str, Any]:
    """The first thing on a connection.

    Returns:
        What the server says of itself.

    Raises:
        Unreachable, Refused: it is no server of XPolicyLab's, or not now.
    """
    try:
        said = await Session(link).ask(Message("hello", Trial(EVALUATION)), OPEN_SECONDS)
    except (TooSlow, Lost) as error:
        raise Unreachable("it did not answer the hello; it is busy, or does not speak XPolicyLab's protocol") from error
    except WireError as error:
        raise Refused(
            f"{link.url} does not speak XPolicyLab's protocol: {error} (an openpi server? --policy {link.url})"
        ) from error
    except ServerFailed as error:
        raise Refused(str(error)) from error
    return {key: value for key, value in said.items() if key != "ok"}
