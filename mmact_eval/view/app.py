"""The application behind the page: a list that follows the files, and reports as they stand."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import html
import json
import logging
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mmact_eval.errors import MmactEvalError
from mmact_eval.view.catalogue import Catalogue
from mmact_eval.view.guard import Guard
from mmact_eval.view.page_files import page_file
from mmact_eval.view.reports import NoSuchPage, Page, Reports, comparison

log = logging.getLogger(__name__)

_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".png": "image/png", ".jpg": "image/jpeg",
          ".jpeg": "image/jpeg", ".webp": "image/webp"}  # fmt: skip

_LIST_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = (
    "sandbox allow-scripts allow-forms; default-src 'none'; script-src {script}; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A report has an origin of its own, which can read nothing of ours; of scripts only the writer's runs."""


_KEEP = {"Cache-Control": "private, max-age=600"}
"""For videos, of which a browser asks for one part after another."""


def make_app(catalogue: Catalogue, token: str = "", hosts: Sequence[str] = (), cookie: str = "mmact_view") -> Guard:
    """The application, guarded.

    Args:
        catalogue: what is shown.
        token, hosts, cookie: see `Guard`.
    """
    view = _View(catalogue)
    app = Starlette(
        routes=[
            Route("/", view.index, methods=["GET"]),
            Route("/view.css", view.asset, methods=["GET"]),
            Route("/view.js", view.asset, methods=["GET"]),
            Route("/api/changes", view.changes, methods=["GET"]),
            Route("/report", view.find_report, methods=["GET"]),
            Route("/open/{proof}/{name}/report.html", view.report, methods=["GET"]),
            Route("/open/{proof}/{name}/{media}", view.media, methods=["GET"]),
        ]
    )
    return Guard(app, token, hosts, cookie)


class _View:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._reports = Reports(catalogue)
        self._secret = secrets.token_bytes(32)

    async def index(self, request: Request) -> Response:
        return Response(
            page_file("index.html"), media_type="text/html", headers={"Content-Security-Policy": _LIST_POLICY}
        )

    async def asset(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(page_file(name), media_type=kind)

    async def changes(self, request: Request) -> Response:
        found = await run_in_threadpool(self._catalogue.changes, request.query_params.get("since", ""))
        return await run_in_threadpool(_json, found, "gzip" in request.headers.get("accept-encoding", ""))

    async def find_report(self, request: Request) -> Response:
        """From identities to the address of a report, which holds a proof that it was asked for here."""
        study, runs = request.query_params.get("study"), request.query_params.getlist("run")
        try:
            name = f"s-{study}" if study else comparison(runs)
        except MmactEvalError as error:
            return _message(400, "Not compared", str(error))
        return RedirectResponse(f"/open/{self._proof(name)}/{name}/report.html", 303) if _is_name(name) else _nothing()

    async def report(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not self._is_proven(request):
            return _nothing()
        try:
            page = await run_in_threadpool(self._reports.page, name)
        except NoSuchPage as error:
            return _message(404, "Not there", str(error))
        except MmactEvalError as error:
            return _message(409, "No report yet", str(error))
        except Exception as error:
            log.exception("a report could not be made")
            return _message(500, "No report", f"It could not be made: {type(error).__name__}: {error}")
        return _report(page)

    async def media(self, request: Request) -> Response:
        name, media = request.path_params["name"], request.path_params["media"]
        if not self._is_proven(request):
            return _nothing()
        file = self._reports.file(name, media)
        if file is None:  # the page was opened before this program was started again, say
            try:
                await run_in_threadpool(self._reports.page, name)
            except MmactEvalError:
                return _nothing()
            file = self._reports.file(name, media)
        found = await run_in_threadpool(_regular, file) if file is not None else None
        if file is None or found is None:
            return _nothing()
        return FileResponse(file, media_type=_TYPES[file.suffix.lower()], stat_result=found, headers=_KEEP)

    def _proof(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), "sha256").hexdigest()[:32]

    def _is_proven(self, request: Request) -> bool:
        given, name = str(request.path_params["proof"]), str(request.path_params["name"])
        return hmac.compare_digest(given.encode(), self._proof(name).encode())


def _is_name(name: str) -> bool:
    return all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in name) and len(name) < 200


def _regular(file: Path) -> os.stat_result | None:
    """A file that has not become a link, a pipe or a folder since its page was made."""
    try:
        found = os.lstat(file)
        return found if stat.S_ISREG(found.st_mode) and file.resolve() == file else None
    except OSError:
        return None


def _report(page: Page) -> Response:
    return Response(_bytes(page.text), media_type="text/html", headers={
        "Content-Security-Policy": _REPORT_POLICY.format(script=_own_script(page.text)),
    })  # fmt: skip


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _own_script(text: str) -> str:
    """The source of the page's own script for a policy: its last, behind everything that a run has said."""
    begin = text.rfind("<script>")
    end = text.find("</script>", begin)
    if begin < 0 or end < 0:
        return "'none'"
    digest = hashlib.sha256(_bytes(text[begin + len("<script>") : end])).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(found: Mapping[str, Any], zipped: bool) -> Response:
    content = json.dumps(found, separators=(",", ":")).encode()
    if not zipped or len(content) < 1000:
        return Response(content, media_type="application/json")
    packed = gzip.compress(content, 3)
    return Response(
        packed, media_type="application/json", headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    )


def _message(status: int, title: str, text: str) -> Response:
    """A page that says something in a sentence."""
    content = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{html.escape(title)}</title><link rel="stylesheet" href="/view.css"><main class="message">'
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text[:1].upper() + text[1:])}</p>"
        '<p><a href="/">All runs</a></p></main></html>'
    )
    policy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
    return Response(content, status, {"Content-Security-Policy": policy}, "text/html")


def _nothing() -> Response:
    return PlainTextResponse("There is nothing here.\n", 404)
