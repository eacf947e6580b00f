"""`mmact-eval profile` as it is typed: tables, files, and what it cannot know."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mmact_eval.cli import cli
from mmact_eval.errors import MmactEvalError
from mmact_eval.profiling import writing

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")

NETWORK = """
import numpy as np
import torch

from mmact_eval import ActionSpec, PolicyOutput, PolicySpec


class Network:
    '''Two layers; remembers with how many queries and threads it was asked.'''

    calls = []

    def __init__(self, env_spec, width=16, chunk=4, cameras=()):
        self.spec = PolicySpec("network", env_spec.action, chunk, cameras=tuple(cameras or env_spec.cameras),
                               state=tuple(env_spec.state), not_real="random weights")
        self._parts = [torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.Linear(width, 8))]

    def reset(self, episodes):
        pass

    def act(self, queries):
        if self._parts[0][0].out_features == 13:
            raise RuntimeError("13 is unlucky\\nand more")
        self.calls.append((len(queries), torch.get_num_threads(), len(queries[0].observation.instruction.split()),
                           len(queries[0].observation.images)))
        with torch.inference_mode():
            self._parts[0](torch.zeros(len(queries), 8))
        return [PolicyOutput(np.zeros((self.spec.chunk, self.spec.action.dim), np.float32)) for _ in queries]
"""


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli, ["profile", "--suite", "toy", "--queries", "2", "--warm-up", "1", *words])


def refused(*words: str) -> str:
    """The message that the command ends with."""
    result = typed(*words)
    assert isinstance(result.exception, MmactEvalError), result.output
    return str(result.exception)


@pytest.fixture
def network(tmp_path: Path) -> str:
    (tmp_path / "network.py").write_text(NETWORK, encoding="utf-8")
    return f"{tmp_path / 'network.py'}:Network"


def rows_of(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "profile.json").read_text(encoding="utf-8"))["rows"]
    return found


def test_a_policy_without_pytorch_is_timed_and_the_rest_is_said_not_to_be_known(tmp_path: Path) -> None:
    result = typed("--policy", "toy", "--batch", "1,3", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    for what in ("tokens", "parameters", "FLOPs and bytes"):
        assert f"Not known: {what}: " in result.output
    assert "parameters  " not in result.output
    base, one, three = rows_of(tmp_path / "out")
    assert (one["timing"], three["point"]["batch"]) == (base["timing"], 3)
    assert base["timing"]["calls"] == 2
    assert base["work"] is None
    assert base["weights"] is None
    assert "There is no plot" in (tmp_path / "out" / "profile.html").read_text(encoding="utf-8")


@needs_torch
def test_every_sweep_changes_what_it_says_and_nothing_else(network: str, tmp_path: Path) -> None:
    import torch

    threads = torch.get_num_threads()
    result = typed("--policy", network, "--batch", "2,5", "--threads", "1,2", "--vary", "views=1,2,4",
                   "--vary", "instruction_words=3,30", "--vary", "policy_args.width=16,32",
                   "--out", str(tmp_path / "out"))  # fmt: skip
    assert result.exit_code == 0, result.output
    assert torch.get_num_threads() == threads
    rows = {f"{row['varied']}={row['value']}": row for row in rows_of(tmp_path / "out")}
    base = rows["=None"]
    assert {name: row["problem"] for name, row in rows.items() if row["problem"]} == {}
    assert rows["batch=5"]["work"]["flops"] * 2 == base["work"]["flops"] * 5
    assert rows["policy_args.width=32"]["work"]["flops"] == 2 * base["work"]["flops"] == 2 * 2 * 2 * 2 * 8 * 16
    assert base["weights"]["count"] == 8 * 16 + 16 + 16 * 8 + 8
    assert rows["threads=2"]["work"] == base["work"]
    for name, key, value in (("threads=2", "threads", 2), ("instruction_words=30", "instruction_words", 30),
                             ("views=4", "views", 4)):  # fmt: skip
        point = rows[name]["point"]
        assert point[key] == value
        assert {other for other in point if point[other] != base["point"][other]} == {key}
    assert "Not the real thing: network: random weights." in result.output


@needs_torch
def test_the_policy_is_asked_as_the_point_says(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmact_eval.profiling import measuring

    calls: list[Any] = []
    timed = measuring._timed

    def kept(policy: Any, *rest: Any) -> Any:
        calls.append(policy.calls)
        return timed(policy, *rest)

    monkeypatch.setattr(measuring, "_timed", kept)
    assert typed("--policy", network, "--batch", "2,5", "--threads", "1,2", "--vary", "instruction_words=3",
                 "--vary", "views=3").exit_code == 0  # fmt: skip
    asked = [call for of in {id(of): of for of in calls}.values() for call in of]
    assert {(2, 1, 10, 2), (5, 1, 10, 2), (2, 2, 10, 2), (2, 1, 3, 2), (2, 1, 10, 3)} == set(asked)


@needs_torch
def test_all_files_are_whole_and_name_device_numbers_threads_and_versions(network: str, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    result = typed("--policy", network, "--batch", "1,2", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {f"profile.{kind}" for kind in ("json", "csv", "md", "html")}
    page = (out / "profile.html").read_text(encoding="utf-8")
    assert page.count("<circle") == 2  # the base point is batch=1
    assert page.count('class="roof"') == 1
    assert "http" not in page.replace("http-equiv", "")
    for text in (page, (out / "profile.md").read_text(encoding="utf-8"), result.output):
        for said in ("float32", "torch ", "mmact-eval 0", "threads", "random weights", "cores may be used"):
            assert said in text, said
    with open(out / "profile.csv", encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["value"] for line in lines] == ["", "1", "2"]
    assert {line["dtype"] for line in lines} == {"float32"}
    assert all(re.fullmatch(r"[\d.]+", line["ms_p50"]) for line in lines)


@needs_torch
def test_a_point_that_cannot_be_measured_is_a_line_that_says_why(network: str, tmp_path: Path) -> None:
    result = typed("--policy", network, "--policy-args", 'cameras=["top"]', "--vary", "views=1,2",
                   "--vary", "policy_args.width=13", "--out", str(tmp_path))  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "policy network looks at 1 camera, however many there are" in result.output
    assert "RuntimeError: 13 is unlucky" in result.output
    assert [row["problem"] != "" for row in rows_of(tmp_path)] == [False, False, True, True]


@needs_torch
def test_a_policy_that_fails_at_the_base_point_ends_the_command(network: str) -> None:
    said = refused("--policy", network, "--policy-args", "width=13")
    assert said == "policy network raised RuntimeError: 13 is unlucky."


def test_slips_are_told_before_anything_is_measured(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmact_eval.profiling.profile.measure", lambda *_: pytest.fail("measured"))
    assert 'Did you mean "instruction_words"?' in refused("--policy", "toy", "--vary", "instruction_word=3")
    assert 'takes no argument "chunck". Did you mean "chunk"?' in refused(
        "--policy", "toy", "--vary", "policy_args.chunck=3"
    )
    assert 'unknown policy "toi". Did you mean "toy"?' in refused("--policy", "toi")
    assert refused("--policy", "toy", "--batch", "0") == "batch must be a whole number from 1 to 4096, got 0."
    assert '"batch" is varied twice' in refused("--policy", "toy", "--batch", "1,2", "--vary", "batch=3")


def test_threads_of_a_policy_without_pytorch_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmact_eval.profiling.profile.pytorch", lambda: None)
    assert "uses no PyTorch" in refused("--policy", "toy", "--threads", "2")


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_whole", full)
    said = refused("--policy", "toy", "--out", str(tmp_path))
    assert said == f"cannot write {tmp_path / 'profile.json'}: No space left on device"
    assert list(tmp_path.iterdir()) == []


@needs_torch
def test_a_shape_without_weights_is_counted_and_not_timed(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    small = [f"--policy-args={pair}" for pair in ("d_model=64", "n_layers=2", "n_heads=2", "mlp_hidden_size=96")]
    result = CliRunner().invoke(
        cli, ["profile", "--suite", "libero-long", "--policy", "mmact-shape", *small, "--policy-args=picture_tokens=16",
              "--vary", "views=1,2,3", "--out", str(tmp_path)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "time and memory: the policy has no weights" in result.output
    rows = rows_of(tmp_path)
    assert [row["timing"] for row in rows] == [None] * 4
    tokens = [row["tokens"] for row in rows]
    assert tokens[1] < tokens[2] == tokens[0] < tokens[3]
    assert "no weights: a shape to be counted" in (tmp_path / "profile.html").read_text(encoding="utf-8")
