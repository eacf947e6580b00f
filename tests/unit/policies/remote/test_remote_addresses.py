"""Where servers are: addresses with paths, passwords and headers, and the proxies in between."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.address import addresses, on_this_machine
from mmact_eval.policies.remote.links.proxies import proxy_for

WS = ("ws", "wss")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def urls(value: Any) -> list[str]:
    return [address.url for address in addresses("p", value, WS)]


def test_several_addresses_are_given_with_commas_or_as_a_list_and_each_counts_once() -> None:
    assert urls("ws://a:1, ws://b:2/,ws://a:1") == ["ws://a:1", "ws://b:2"]
    assert urls(["ws://a:1", "wss://b"]) == ["ws://a:1", "wss://b"]


@pytest.mark.parametrize("wrong", ["a:1", "ws://", "ws://a:port", "http://a:1", "", 7, "ws://a:1/x y", "ws://a:1#x"])
def test_what_is_no_address_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        urls(wrong)


def test_path_and_query_are_kept() -> None:
    kept = ["ws://host/user/me/proxy/8000", "wss://host:443/a/", "ws://host/?token=5", "ws://[::1]:80/p%20q"]
    assert urls(kept) == kept


def test_user_and_password_become_a_header_and_are_not_shown() -> None:
    (address,) = addresses("p", "ws://me:p%40ss@host:1/x", WS)
    assert address.url == "ws://host:1/x"
    assert address.headers == {"Authorization": "Basic bWU6cEBzcw=="}  # me:p@ss
    with pytest.raises(UsageError) as refused:
        addresses("p", "ws://me:secret@:1/", WS)
    assert "secret" not in str(refused.value)


def test_headers_are_sent_to_all_and_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "abc")
    found = addresses("p", "ws://u:p@a,ws://b", WS, {"Authorization": "$TOKEN", "X-Number": 5})
    assert [address.headers for address in found] == [{"Authorization": "abc", "X-Number": "5"}] * 2


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ("X: y", "must be a map"),
        ({"X Y": "z"}, "no name of a header"),
        ({"X": "a\r\nY: b"}, "text of one line"),
        ({"X": None}, "text of one line"),
        ({"X": "$MMACT_EVAL_NOT_SET"}, "MMACT_EVAL_NOT_SET"),
    ],
)
def test_headers_that_are_none_are_refused(headers: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        addresses("p", "ws://a", WS, headers)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "x.localhost", "::1", "0.0.0.0", "::ffff:127.0.0.1"]
)
def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.setenv(name, "http://proxy:3128")
    assert on_this_machine(host)
    place = f"[{host}]" if ":" in host else host
    assert proxy_for(f"ws://{place}:8000") is None
    assert proxy_for(f"wss://{place}") is None


@pytest.mark.parametrize("host", ["gpu-box", "10.0.0.1", "192.0.2.1", "localhost.example.org", "1270.example.org"])
def test_other_machines_are_no_part_of_this_one(host: str) -> None:
    assert not on_this_machine(host)


@pytest.mark.parametrize(
    ("variable", "url", "used"),
    [
        ("http_proxy", "ws://gpu-box:8000", "http://me:secret@proxy:1"),
        ("HTTPS_PROXY", "ws://gpu-box:8000", "http://me:secret@proxy:1"),
        ("https_proxy", "wss://gpu-box", "http://me:secret@proxy:1"),
        ("SOCKS_PROXY", "ws://gpu-box:8000", "socks5h://me:secret@proxy:1"),
    ],
)
def test_the_proxy_and_its_variable_are_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str, used: str
) -> None:
    monkeypatch.setenv(variable, "http://me:secret@proxy:1")
    proxy = proxy_for(url)
    assert proxy is not None
    assert proxy.address == used
    assert variable in str(proxy)
    assert 'no_proxy="$no_proxy,gpu-box"' in str(proxy)
    assert "secret" not in str(proxy)


def test_no_proxy_and_the_other_scheme_s_variable_mean_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    assert proxy_for("wss://gpu-box") is None
    monkeypatch.setenv("no_proxy", "example.org,gpu-box")
    assert proxy_for("ws://gpu-box:8000") is None
    assert proxy_for("ws://other:8000") is not None
