"""Websocket servers behind paths and passwords, and with proxies in between."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from remote_servers import ForeignServer, ask_toy, chunks_of, toy_layout, toy_spec

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.openpi import client as openpi
from mmact_eval.policies.remote.vla_eval import client as vla_eval
from mmact_eval.policies.remote.wire import layouts

PROTOCOLS = ("openpi", "vla-eval")


@pytest.fixture(autouse=True)
def a_preset_for_the_toy_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layouts._PRESETS, "toy", toy_layout)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_path_password_and_headers_of_a_websocket_server_are_kept(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setenv("TOKEN", "abc")
    with ForeignServer(chunks_of(1), protocol=protocol) as server:
        make: Any = openpi.make_policy if protocol == "openpi" else vla_eval.make_policy
        url = server.url.replace("//", "//me:secret@") + "/user/me/proxy/8000/?x=1"
        policy = make(toy_spec(), url, headers={"X-Token": "$TOKEN"})
        ask_toy(policy)
        policy.close()
    asked = server.requests[0]
    assert asked.path == "/user/me/proxy/8000/?x=1"
    assert asked.headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert asked.headers["X-Token"] == "abc"


@contextmanager
def proxy_that_answers(status: int) -> Iterator[str]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            self.wfile.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "SOCKS_PROXY", "ws_proxy"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_on_this_machine_is_reached_whatever_proxies_are_set(
    monkeypatch: pytest.MonkeyPatch, variable: str, protocol: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with ForeignServer(chunks_of(1), protocol=protocol) as server:
        make: Any = openpi.make_policy if protocol == "openpi" else vla_eval.make_policy
        for host in ("127.0.0.1", "localhost"):
            policy = make(toy_spec(), server.url.replace("127.0.0.1", host), patience=1)
            assert ask_toy(policy).shape == (1, 2)
            policy.close()


@pytest.mark.parametrize(
    ("status", "patience"), [(403, 60), (407, 60), (503, 0.1)], ids=["refuses", "wants credentials", "cannot reach it"]
)
def test_a_proxy_in_between_is_named_with_how_to_do_without(
    monkeypatch: pytest.MonkeyPatch, status: int, patience: float
) -> None:
    with proxy_that_answers(status) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(UsageError) as told:
            openpi.make_policy(toy_spec(), "ws://gpu-box.invalid:8000", patience=patience)
    for part in (str(status), proxy, "http_proxy", 'no_proxy="$no_proxy,gpu-box.invalid"'):
        assert part in str(told.value)


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"through the proxy http://127\.0\.0\.1:9 \(from https_proxy\).*no_proxy"):
        openpi.make_policy(toy_spec(), "ws://gpu-box.invalid:8000", patience=0.1)


def test_what_a_socks_proxy_needs_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import websockets.asyncio.client

    if hasattr(websockets.asyncio.client, "SocksProxy"):
        pytest.skip("python-socks is installed")
    monkeypatch.setenv("SOCKS_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(UsageError, match=r"pip install python-socks.*SOCKS_PROXY.*no_proxy"):
        openpi.make_policy(toy_spec(), "ws://gpu-box.invalid:8000", patience=0.1)
