"""One websocket connection, with limits, and errors in words."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
)
from websockets.protocol import State

from mmact_eval.policies.remote.address import Address
from mmact_eval.policies.remote.links.http_status import may_pass
from mmact_eval.policies.remote.links.proxies import Proxy, proxy_for
from mmact_eval.policies.remote.pool import Lost, Refused, RemoteFailure, Unreachable
from mmact_eval.policies.remote.wire.codec import WireError

API_KEY_VARIABLE = "MMACT_EVAL_API_KEY"
"""Environment variable with the key; an argument would be written into manifests."""

OPEN_SECONDS = 30.0
"""Time limit of connecting and of the first message."""

_SILENT = logging.getLogger("mmact_eval.websockets")
_SILENT.setLevel(logging.CRITICAL)


class TooSlow(RemoteFailure):
    """The time limit passed."""


class WebsocketLink:
    """A connection that is used for one question at a time."""

    def __init__(self, url: str, socket: ClientConnection) -> None:
        self.url = url
        self._socket = socket

    @classmethod
    async def open(cls, address: Address, max_size: int) -> WebsocketLink:
        """Connect, through a proxy where the environment asks for one.

        Args:
            address: ``ws://host:port`` and what is sent along.
            max_size: most bytes of a message from the server.

        Raises:
            Unreachable, Refused: see there.
        """
        proxy = proxy_for(address.url)
        try:
            socket = await connect(
                address.url,
                compression=None,
                max_size=max_size,
                max_queue=2,
                open_timeout=OPEN_SECONDS,
                close_timeout=1.0,
                ping_interval=None,  # servers that compute in their event loop answer no pings meanwhile
                additional_headers=_with_key(address),
                proxy=proxy.address if proxy else None,
                logger=_SILENT,
            )
        except (InvalidHandshake, InvalidProxy, InvalidURI, ValueError, OSError, EOFError, ImportError) as error:
            raise _failure(address.url, error, proxy) from error
        return cls(address.url, socket)

    @property
    def alive(self) -> bool:
        return self._socket.state is State.OPEN

    async def ask(self, frame: bytes, seconds: float) -> bytes | str:
        """Send a frame and wait for one.

        Raises:
            Lost, TooSlow: see there.
        """
        await self.send(frame)
        return await self.receive(seconds)

    async def send(self, frame: bytes) -> None:
        """Raises `Lost`."""
        try:
            await self._socket.send(frame)
        except (ConnectionClosed, OSError) as error:
            raise Lost(f"{self.url}: {_words(error)}") from error

    async def receive(self, seconds: float) -> bytes | str:
        """Raises `Lost`, `TooSlow` or, for what is larger than allowed, `WireError`."""
        try:
            return await asyncio.wait_for(self._socket.recv(), seconds)
        except asyncio.TimeoutError as error:
            raise TooSlow(f"{self.url} has not answered for {seconds:g} s (timeout)") from error
        except (ConnectionClosed, OSError) as error:
            if isinstance(error, ConnectionClosed) and error.sent is not None and error.sent.code == 1009:
                raise WireError(f"{self.url} answered a message that is larger than max_message") from error
            raise Lost(f"{self.url}: {_words(error)}") from error

    async def close(self) -> None:
        try:
            await self._socket.close()
        except (ConnectionClosed, OSError):
            return


def _with_key(address: Address) -> dict[str, str]:
    """The headers of the handshake. An Authorization that was typed wins over the key."""
    key = os.environ.get(API_KEY_VARIABLE)
    if key and not any(name.lower() == "authorization" for name in address.headers):
        return {**address.headers, "Authorization": f"Api-Key {key}"}
    return dict(address.headers)


def _failure(url: str, error: Exception, proxy: Proxy | None) -> RemoteFailure:
    """Why there is no connection, and whether it makes sense to try again."""
    kind, why = _judged(url, error)
    return kind(f"{why}; {proxy}" if proxy else why)


def _judged(url: str, error: Exception) -> tuple[type[RemoteFailure], str]:
    if isinstance(error, InvalidStatus):
        return _status(url, error.response.status_code)
    if isinstance(error, InvalidProxyStatus):
        code = error.response.status_code
        return Unreachable if may_pass(code) else Refused, f"{url} cannot be reached: the proxy answered {code}"
    if isinstance(error, ImportError):
        return (
            Refused,
            f"{url} cannot be reached: a SOCKS proxy needs the package python-socks (pip install python-socks)",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refused, f"{url} has a certificate that is not trusted here: {error.verify_message}"
    if isinstance(error, InvalidURI):
        return Refused, f"{url} is no address of a websocket server: {error}"
    if isinstance(error, InvalidProxy):
        return Refused, f"{url} cannot be reached: {error}"
    went_away = isinstance(error.__cause__, (EOFError, OSError))  # during the handshake
    if isinstance(error, InvalidHandshake | ValueError) and not went_away:
        return Refused, f"what answers at {url} is no websocket server: {error}"
    return Unreachable, _words(error)


def _status(url: str, code: int) -> tuple[type[RemoteFailure], str]:
    if code in (401, 403):
        how = f"set {API_KEY_VARIABLE}, or give headers= or ws://user:password@…"
        return Refused, f"{url} wants an API key: {how} (it answered {code})"
    if may_pass(code):
        return Unreachable, f"it answered {code}{' (too many clients?)' if code in (429, 503) else ''}"
    return Refused, f"what answers at {url} is no websocket server: it answered {code}"


def _words(error: Exception) -> str:
    """The reason in words; a time limit's exception has no text of its own."""
    if isinstance(error, ConnectionClosed):
        closed = error.rcvd or error.sent
        why = f"{closed.code} {closed.reason}".strip() if closed else "without a word"
        return f"the connection was closed ({why})"
    return str(error) or f"no answer to the opening handshake ({type(error).__name__})"
