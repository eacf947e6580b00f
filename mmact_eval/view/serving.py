"""Serves the page: a free port, an address with a token where others can reach it, and an end with Ctrl-C."""

from __future__ import annotations

import errno
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from mmact_eval.errors import UsageError
from mmact_eval.view.app import make_app
from mmact_eval.view.catalogue import Catalogue

PORT = 8900
_NEXT = 20
"""Ports after the usual one that are tried."""

_ANOTHER = "Choose another: --port 0 takes any that is free."
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def serve(
    roots: Sequence[Path],
    host: str = "127.0.0.1",
    port: int | None = None,
    with_token: bool = False,
    tell: Callable[[str], None] = print,
    opened: Callable[[str], object] | None = None,
) -> None:
    """Show what is under some folders until the process is told to stop.

    Args:
        roots: folders.
        host: to listen on; others than this machine's own need the token in the address.
        port: None for the usual one or the next that is free; 0 for any.
        with_token: ask for the token on this machine, too, where other people work on it.
        tell: called with lines for people, the address among them.
        opened: called with the address once it can be asked.

    Raises:
        UsageError: that cannot be listened on.
    """
    own = is_loopback(host)
    listening, moved = listen(host, port)
    number = int(listening.getsockname()[1])
    token = secrets.token_urlsafe(24) if with_token or not own else ""
    shown = _shown(host)
    address = f"http://{shown}:{number}/" + (f"?token={token}" if token else "")
    hosts = {*_LOOPBACK_NAMES, shown.lower()} if own else ()
    catalogue = Catalogue(roots)
    app = make_app(catalogue, token, tuple(hosts), f"mmact_view_{number}")
    if moved:
        tell(moved)
    if not own:
        tell("Others can reach this page; who has the address with its token sees the runs, unencrypted on the way.")
    tell(f"{address}    (Ctrl-C ends it)")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False, date_header=False,
        timeout_graceful_shutdown=2, proxy_headers=False,
    )  # fmt: skip
    catalogue.start()
    try:
        if opened is not None:
            opened(address)  # connections wait in the socket's queue until the server accepts them
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        catalogue.stop()
        listening.close()


def listen(host: str, port: int | None) -> tuple[socket.socket, str]:
    """A socket that listens, and a sentence if it is not on the usual port; "" if it is.

    Raises:
        UsageError: the address is none of this machine's, or the port asked for is taken or not allowed.
    """
    usual = PORT if port is None else port
    for number in range(usual, usual + _NEXT) if port is None else (usual,):
        try:
            found = _bound(host, number)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
            raise UsageError(
                f"port {number} of {host} {why}. Choose another: --port 0 takes any that is free."
            ) from error
        return found, "" if number == usual else f"Port {usual} is taken; this is on {number}."
    raise UsageError(
        f"the ports {usual} to {usual + _NEXT - 1} are taken. Choose another: --port 0 takes any that is free."
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f'there is no address for "{host}".') from error
    found = socket.socket(family, kind, number)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(128)
    except OSError:
        found.close()
        raise
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    """As in an address; for all of this machine's addresses its name."""
    if host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
