"""What the Ray engine does before and beside a cluster."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")

from mmact_eval import registry
from mmact_eval.cli import main
from mmact_eval.commands.common.values import Workers
from mmact_eval.engine.ray import cluster
from mmact_eval.engine.ray.address import chosen
from mmact_eval.engine.ray.messages import Hello
from mmact_eval.engine.ray.node.fitness import differences
from mmact_eval.engine.ray.node.printed import Printed
from mmact_eval.engine.ray.placement import Placement
from mmact_eval.errors import UsageError

RUN = ["run", "--suite", "toy", "--policy", "random", "--episodes", "1", "--out", "run"]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "mmact_eval.engine.ray", raising=False)
    with pytest.raises(UsageError, match=r"engine \"ray\" needs the package \"ray\": pip install 'mmact-eval\[ray\]'"):
        registry.engine("ray")


def test_an_address_is_for_ray(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["mmact-eval", *RUN, "--ray-address", "auto"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "--ray-address is for --engine ray." in capsys.readouterr().err


def test_addresses_are_chosen_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert [chosen(""), chosen("local")] == ["local", "local"]
    with pytest.raises(UsageError, match="no Ray cluster runs on this machine"):
        chosen("auto")
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127.0.0.1:1: start one with `ray start --head`"):
        chosen("127.0.0.1:1")
    with pytest.raises(UsageError, match="ray://head:10001 is Ray Client"):
        chosen("ray://head:10001")
    (tmp_path / "ray").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        (tmp_path / "ray" / "ray_current_cluster").write_text(f"{here}\n")
        assert [chosen(""), chosen("auto"), chosen("local"), chosen(here)] == [here, here, "local", here]
    assert chosen("") == "local"  # it is gone, its note is not
    monkeypatch.setenv("RAY_ADDRESS", here)
    with pytest.raises(UsageError, match=f"answers at {here}"):
        chosen("")


def test_workers_are_a_number_or_auto() -> None:
    kind = Workers()
    assert [kind.convert(text, None, None) for text in ("3", "auto")] == [3, 0]
    with pytest.raises(Exception, match="x>=1"):
        kind.convert("-1", None, None)


def test_differences_name_both_sides() -> None:
    here, there = {"mujoco": "3.3.7", "toy": "1", "code a.py": "x"}, {"mujoco": "3.2.3", "toy": "1"}
    assert differences(here, there) == ["mujoco 3.3.7 here, 3.2.3 there", "code a.py x here, absent there"]
    assert differences(here, here) == []


def test_who_waits_for_a_node_is_told_when_the_last_that_was_left_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    def node(name: str) -> cluster.Node:
        return cluster.Node(name, name, "10.0.0.1", 1.0, 0.0, 0.0)

    there = [node("a"), node("b")]
    monkeypatch.setattr(cluster, "nodes", lambda: there)
    placement = Placement("workers", lambda one: one.fits(1.0))
    placement.require_any()  # nobody was refused
    placement.refuse(Hello("a", "a", "0", ""), ["it is older"])
    placement.require_any()
    there.remove(node("b"))
    with pytest.raises(UsageError, match=r"Ray node a .* it is older\nNo node of the Ray cluster is left for workers"):
        placement.require_any()
    there.append(node("c"))
    placement.require_any()  # one has joined
    there.clear()
    placement.require_any()  # one may join


def speaker(file: Path, printed: Printed) -> subprocess.Popen[str]:
    """A process that repeats its input into the file, which is watched."""
    file.parent.mkdir()
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    with printed.of(file), open(file, "ab") as output:
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=output, text=True)


def test_what_is_printed_is_carried_once_and_leaves_no_file(tmp_path: Path) -> None:
    printed = Printed()
    process = speaker(tmp_path / "logs" / "worker.log", printed)
    assert list(tmp_path.iterdir()) == []
    process.communicate("one\n")
    assert [printed.new(), printed.new()] == [b"one\n", b""]


def test_of_a_flood_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmact_eval.engine.ray.node.printed.MOST", 5)
    printed = Printed()
    speaker(tmp_path / "logs" / "worker.log", printed).communicate("first\nlast\n")
    assert printed.new() == b"[6 bytes left out]\nlast\n"
