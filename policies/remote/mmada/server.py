"""What `mmact-eval serve --protocol mmada-server` answers: MMaDA-VLA's two kinds of requests, for any policy on CALVIN.

Clients of ours say in a part of the form whose questions theirs are. Others do not: each of their questions is an
episode by itself, which for a policy that keeps no state makes no difference.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mmact_eval.policies.remote.mmada.layout import PAGE, Api, answer_of, check, observations_in, places_in
from mmact_eval.policies.remote.mmada.multipart import read_form
from mmact_eval.policies.remote.server import ServeOptions, Server
from mmact_eval.policies.remote.wire.codec import WireError
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, Query

_IDLE_SECONDS = 60.0
"""A client that has connected and says nothing is hung up on."""

_REFUSED_BYTES, _REFUSED_SECONDS = 2**28, 1.0
"""How much of a refused request is read all the same, and how long a client of one may pause."""

_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"
Reply = tuple[int, bytes, str]
"""Status, body, and its type."""


class MmadaServer(Server):
    """Serves one policy over HTTP."""

    scheme = "http"

    def __init__(self, policy: Policy, env_spec: EnvSpec, options: ServeOptions) -> None:
        super().__init__(policy, env_spec, options)
        self._questions = itertools.count()
        self._lock = threading.Lock()

    async def network(self) -> None:
        """See `Server`."""
        loop = asyncio.get_running_loop()
        try:
            http = _Listening((self._options.host, self._options.port), _handler(self, loop))
        except (OSError, OverflowError) as error:
            self._listening.set_exception(self._cannot_listen(error))
            return
        thread = threading.Thread(target=http.serve_forever, name="http", daemon=True)
        thread.start()
        self._listening.set_result(http.server_address[1])
        while not self._stopping.is_set():
            await asyncio.sleep(0.1)
        await asyncio.to_thread(http.shutdown)
        http.server_close()

    def admit(self, headers: Message, path: str) -> Reply | None:
        """Why a request is not heard, None if it is. One that is heard counts as a client until `leave`."""
        if path.partition("?")[0] != PAGE:
            return 404, f"There is nothing here but {PAGE} and /health.\n".encode(), _TEXT
        if not self._has_key(headers.get("Authorization", "")):
            return 401, b"An API key is needed: Authorization: Api-Key ...\n", _TEXT
        size = headers.get("Content-Length", "")
        if not size.isdigit():
            return 411, b"A request needs a Content-Length.\n", _TEXT
        if int(size) > self._options.max_message:
            return 413, f"A request may have {self._options.max_message} bytes.\n".encode(), _TEXT
        with self._lock:
            if self._clients >= self._options.max_clients:
                return 503, b"Too many clients.\n", _TEXT
            self._clients += 1
        return None

    def leave(self) -> None:
        """A request has been answered."""
        with self._lock:
            self._clients -= 1

    async def predict(self, body: bytes, headers: Message) -> Reply:
        """The answer to a request."""
        try:
            queries, api = self._queries(read_form(body, headers.get("Content-Type", "")))
        except WireError as error:
            return 400, f"{error}\n".encode(), _TEXT
        answers = await asyncio.gather(*(self._ask(query) for query in queries))
        outputs = [answer.output for answer in answers if answer.output is not None]
        if len(outputs) < len(answers):
            why = "; ".join(dict.fromkeys(answer.error for answer in answers if answer.output is None))
            return 500, f"{why}\n".encode(), _TEXT
        return 200, answer_of([output.actions for output in outputs], api), _JSON

    def _queries(self, parts: Mapping[str, bytes]) -> tuple[list[Query], Api]:
        api, observations = observations_in(parts)
        places = places_in(parts, len(observations))
        if places is None:
            suite = self._env_spec.name
            places = [(Episode(suite, seen.instruction, next(self._questions), 0), 0, False) for seen in observations]
        return [Query(seen, *place) for seen, place in zip(observations, places, strict=True)], api


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *about: Any) -> None:
        """A client that hangs up is nothing to be told."""


def _handler(server: MmadaServer, loop: asyncio.AbstractEventLoop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _IDLE_SECONDS

        def do_GET(self) -> None:
            page = self.path.partition("?")[0]
            if page == "/health":
                self._reply(200, json.dumps(server.status()).encode() + b"\n", _JSON)
            elif page == "/healthz":
                self._reply(200, b"OK\n", _TEXT)
            else:
                self._reply(405, f"POST a form to {PAGE}, or GET /health.\n".encode(), _TEXT)

        def do_POST(self) -> None:
            refusal = server.admit(self.headers, self.path)
            if refusal is not None:
                self._reply(*refusal)
                self._hear_out()
                return
            try:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = asyncio.run_coroutine_threadsafe(server.predict(body, self.headers), loop)
                self._reply(*asked.result())
            finally:
                server.leave()

        def _hear_out(self) -> None:
            """Read what still comes of a refused request: hung up on while it sends, a client never reads why."""
            size = self.headers.get("Content-Length", "")
            left = min(int(size), _REFUSED_BYTES) if size.isdigit() else _REFUSED_BYTES
            self.connection.settimeout(_REFUSED_SECONDS)
            with contextlib.suppress(OSError):
                while left > 0 and (read := self.rfile.read1(min(left, 2**16))):
                    left -= len(read)

        def _reply(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: Any) -> None: ...

    return Handler


def make_server(
    policy: Policy, env_spec: EnvSpec, made_of: Mapping[str, Any] | None = None, **options: Any
) -> MmadaServer:
    """Entry point ``mmada-server`` of the group ``mmact_eval.servers``.

    Args:
        policy: what is served.
        env_spec: the environment it is made for; CALVIN, with pictures of the published sizes.
        made_of: of no use here: these servers say nothing of themselves.
        options: as `ServeOptions`.

    Raises:
        UsageError: the environment is another one.
    """
    check(env_spec)
    return MmadaServer(policy, env_spec, ServeOptions(**options))
