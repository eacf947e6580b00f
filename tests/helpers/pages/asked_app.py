"""Asks an ASGI application as a browser would, without a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What came back; names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


def ask(app: Any, address: str, method: str = "GET", **headers: str) -> Answer:
    """Ask for an address without a host; in names of headers ``_`` stands for ``-``."""
    return asyncio.run(_ask(app, address, method, {"host": "localhost:8900", **headers}))


async def _ask(app: Any, address: str, method: str, headers: dict[str, str]) -> Answer:
    parts = urlsplit(address)
    path = address.partition("?")[0]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": parts.query.encode(), "root_path": "",
        "headers": [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8900), "state": {},
    }  # fmt: skip
    answer = Answer(0, {}, b"")

    heard: list[bool] = []

    async def receive() -> dict[str, Any]:
        if heard:
            await asyncio.Event().wait()  # nobody leaves
        heard.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            answer.content += message.get("body", b"")

    await app(scope, receive, send)
    return answer
