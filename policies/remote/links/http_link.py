"""One HTTP request, with limits, and errors in words. The standard library does it, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from mmact_eval.policies.remote.address import Address
from mmact_eval.policies.remote.links.http_status import may_pass
from mmact_eval.policies.remote.links.websocket_link import OPEN_SECONDS, TooSlow
from mmact_eval.policies.remote.pool import Lost, Refused, RemoteFailure, Unreachable

_AWAY = (429, 502, 503, 504)
"""The server is not there, or not now: what reverse proxies answer for it."""


class HttpFailed(RemoteFailure):
    """The server answered with an error."""


class Away(RemoteFailure):
    """A proxy answered that the server behind it is not there now."""


class HttpLink:
    """A connection for one request: servers close idle ones when they like, and a new one costs a fraction of a ms."""

    alive = False

    def __init__(self, address: Address, connection: http.client.HTTPConnection, max_size: int, expected: str) -> None:
        self.url = address.url
        self._headers = {"Content-Type": "application/json", **address.headers}
        self._connection = connection
        self._max_size = max_size
        self._expected = expected

    @classmethod
    async def open(cls, address: Address, max_size: int, expected: str) -> HttpLink:
        """Connect. No proxy is asked.

        Args:
            address: ``http://host:port``, a path that all requests begin with, and what is sent along.
            max_size: most bytes of an answer.
            expected: which server it should be, for a message.

        Raises:
            Unreachable, Refused: see there.
        """
        parts = urlsplit(address.url)
        assert parts.hostname is not None
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=OPEN_SECONDS)
        try:
            await asyncio.to_thread(connection.connect)
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"{address.url} has a certificate that is not trusted here: {error.verify_message}"
            ) from error
        except OSError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return cls(address, connection, max_size, expected)

    async def post(
        self, path: str, body: str | bytes, seconds: float, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The answer to a document.

        Args:
            path: of the page, below that of the address.
            body: the document.
            seconds: how long it may take.
            headers: of this document; without one that says so, it is JSON.

        Raises:
            Refused: nor would there be one later.
            Away, Lost, TooSlow, HttpFailed: there is none.
        """
        parts = urlsplit(self.url)
        page = f"{parts.path.rstrip('/')}{path}"
        target = f"{page}?{parts.query}" if parts.query else page
        try:
            status, answer = await asyncio.wait_for(asyncio.to_thread(self._post, target, body, headers or {}), seconds)
        except (TimeoutError, asyncio.TimeoutError) as error:
            self._hang_up()
            raise TooSlow(f"{self.url} has not answered for {seconds:g} s (timeout)") from error
        except (OSError, http.client.HTTPException) as error:
            raise Lost(f"{self.url}: {error or type(error).__name__}") from error
        if len(answer) > self._max_size:
            raise HttpFailed(f"{self.url} answered more than {self._max_size} bytes (max_message)")
        if status != 200:
            raise self._failure(page, status, answer[:200].decode(errors="replace"))
        return answer

    async def close(self) -> None:
        self._connection.close()

    def _hang_up(self) -> None:
        """End the request's thread, which has no limit of its own: it would count a standstill of the process."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def _post(self, target: str, body: str | bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self._connection.sock is not None:
            self._connection.sock.settimeout(None)
        data = body.encode() if isinstance(body, str) else body
        self._connection.request("POST", target, data, {**self._headers, **headers})
        response = self._connection.getresponse()
        return response.status, response.read(self._max_size + 1)

    def _failure(self, page: str, status: int, said: str) -> RemoteFailure:
        if status in _AWAY:
            return Away(f"{self.url} answered {status}: {said}")
        if may_pass(status):
            return HttpFailed(f"{self.url} answered {status}: {said}")
        hint = f"is it {self._expected}?"
        if status in (401, 403, 407):
            hint = 'it wants to know who asks: http://user:password@…, or headers={"Authorization": "$TOKEN"}'
        elif status < 400:
            hint = "it sends us somewhere else; give the url where it is"
        return Refused(f"{self.url} does not answer at {page}: it answered {status} ({said}); {hint}")
