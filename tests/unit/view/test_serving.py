"""Ports, addresses and the message where the extra is missing."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="pip install 'mmact-eval[view]'")
pytest.importorskip("uvicorn", reason="pip install 'mmact-eval[view]'")

from click.testing import CliRunner

from mmact_eval.commands.view import command
from mmact_eval.errors import UsageError
from mmact_eval.view import serving


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is taken"):
            serving.listen("127.0.0.1", port)


def test_the_next_free_port_is_taken_where_none_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(serving, "PORT", port)
        found, told = serving.listen("127.0.0.1", None)
        with found:
            assert found.getsockname()[1] > port
        assert told.startswith(f"Port {port} is taken; this is on {found and told.split()[-1].rstrip('.')}")
    with pytest.raises(UsageError, match="no address"):
        serving.listen("no.such.host.invalid", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_addresses_of_this_machine_alone(host: str) -> None:
    assert serving.is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.3", "example.org", "localhost.example.org"])
def test_addresses_that_others_reach(host: str) -> None:
    assert not serving.is_loopback(host)


def started(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The program, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmact_eval", "view", str(folder), "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://\S+", line)
        if found:
            return process, found[0]
    raise AssertionError("it has ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_without_a_word(tmp_path: Path, number: signal.Signals) -> None:
    process, address = started(tmp_path)
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert b"view.js" in answer.read()
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert "Traceback" not in rest
    assert process.returncode in (0, 130, -signal.SIGTERM)


def test_others_need_the_token(tmp_path: Path) -> None:
    process, address = started(tmp_path, "--host", "0.0.0.0")
    try:
        port, token = re.search(r":(\d+)/\?token=([\w-]{30,})$", address).groups()  # type: ignore[union-attr]
        bare = f"http://127.0.0.1:{port}/"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(bare, timeout=20)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"view.js" in opener.open(f"{bare}?token={token}", timeout=20).read()
        assert b"items" in opener.open(f"{bare}api/changes", timeout=20).read()
    finally:
        process.kill()
        process.communicate()


def test_what_was_typed_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    for arguments, why in (
        ([str(tmp_path / "nowhere")], "there is no folder"),
        ([str(tmp_path), "--no-videos"], "--no-videos is for --bundle"),
        ([str(tmp_path), "--bundle", str(tmp_path / "out")], "there are no runs under"),
    ):
        found = CliRunner().invoke(command, arguments)
        assert isinstance(found.exception, UsageError)
        assert why in str(found.exception)


def test_without_the_extra_one_line_names_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['uvicorn'] = None; from mmact_eval.cli import main; main()"
    found = subprocess.run([sys.executable, "-c", code, "view", str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert "pip install 'mmact-eval[view]'" in line
