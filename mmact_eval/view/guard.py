"""Who may ask, and for what: a layer around the application that lets nothing else through."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MEDIA = re.compile(r"/open/[0-9a-f]{32}/[^/]+/[0-9a-f]{20}\.\w+")
"""Addresses of media hold a secret of their own, as pages that are kept apart from ours send no cookie."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_OURS_ONLY = {"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}


class Guard:
    """Refuses methods but GET and HEAD, other names of this machine, other sites' pages, and who has no token."""

    def __init__(self, app: ASGIApp, token: str = "", hosts: Sequence[str] = (), cookie: str = "mmact_view") -> None:
        """
        Args:
            app: the application.
            token: that who asks must know, "" for none.
            hosts: names under which this machine may be asked, without ports; none at all for any.
            cookie: its name.
        """
        self._app, self._token, self._hosts, self._cookie = app, token, frozenset(hosts), cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers, path = Headers(scope=scope), str(scope["path"])
        is_media = _MEDIA.fullmatch(path) is not None
        refusal = self._refusal(scope, headers, is_media)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in {**_HEADERS, **({} if is_media else _OURS_ONLY)}.items():
                    given.setdefault(name, value)
                given.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
            await send(message)

        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers, is_media: bool) -> Response | None:
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("This page only shows: GET and HEAD.\n", 405, {"Allow": "GET, HEAD"})
        if self._hosts and _host(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("This address is not the one that was printed.\n", 421)
        if is_media:
            return None
        site, mode = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-mode", "")
        if site in ("cross-site", "same-site") and mode != "navigate":
            return PlainTextResponse("Not for other pages.\n", 403)
        return self._unknown(scope, headers) if self._token else None

    def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """What somebody without the token gets; one who brings it is let in by a cookie from then on."""
        if self._is_token(_cookie(headers.get("cookie", ""), self._cookie)):
            return None
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not any(name == "token" and self._is_token(value) for name, value in asked):
            return PlainTextResponse("Open the whole address that `mmact-eval view` printed, with its token.\n", 403)
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        # Not the path that was asked for, which may be //another.site.
        answer = RedirectResponse(f"./{'?' + rest if rest else ''}" if scope["path"] == "/" else "/", 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="lax", path="/")
        return answer

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::\d+)?", header.strip())
    return found[1].lower() if found else ""


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""
