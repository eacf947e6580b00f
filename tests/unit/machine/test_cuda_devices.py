"""Each of several processes gets GPUs of its own, as far as there are any."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mmact_eval.errors import UsageError
from mmact_eval.machine import cuda_devices

_TWO = """GPU 0: NVIDIA H200 (UUID: GPU-11111111-aaaa)
GPU 1: NVIDIA H200 (UUID: GPU-22222222-bbbb)
"""
_SLICED = """GPU 0: NVIDIA H200 (UUID: GPU-11111111-aaaa)
  MIG 1g.18gb     Device  0: (UUID: MIG-aaaa)
  MIG 1g.18gb     Device  1: (UUID: MIG-bbbb)
GPU 1: NVIDIA H200 (UUID: GPU-22222222-bbbb)
"""


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (_TWO, ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]),
        (_SLICED, ["MIG-aaaa", "MIG-bbbb", "GPU-22222222-bbbb"]),
        ("No devices found.\n", []),
    ],
)
def test_the_driver_is_asked_which_gpus_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: list[str]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_devices.visible() == found


@pytest.mark.parametrize(
    ("chosen", "found"), [("2,0", ["2", "0"]), ("", []), ("-1", []), ("1,-1,2", ["1"]), ("GPU-11", ["GPU-11"])]
)
def test_what_was_chosen_is_all_there_is(monkeypatch: pytest.MonkeyPatch, chosen: str, found: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert cuda_devices.visible() == found


def test_shares_are_apart_and_begin_anew_where_there_are_more_processes() -> None:
    four = ["a", "b", "c", "d"]
    assert [cuda_devices.share(number, 1, four) for number in range(5)] == [["a"], ["b"], ["c"], ["d"], ["a"]]
    assert [cuda_devices.share(number, 2, four) for number in range(3)] == [["a", "b"], ["c", "d"], ["a", "b"]]
    assert [cuda_devices.share(number, 0.5, four[:2]) for number in range(5)] == [["a"], ["a"], ["b"], ["b"], ["a"]]
    assert cuda_devices.share(1, 1, []) == cuda_devices.share(1, 0, four) == []


def test_as_many_processes_as_there_are_gpus_for_and_one_at_least() -> None:
    four = ["a", "b", "c", "d"]
    assert [cuda_devices.fitting(each, four) for each in (1, 2, 3, 0.5, 0.1, 8, 0)] == [4, 2, 1, 8, 40, 1, 1]
    assert cuda_devices.fitting(1, []) == 1


@pytest.mark.parametrize(("each", "says"), [(3, "CUDA shows 2 GPUs here"), (1.5, "a whole number or a fraction")])
def test_what_cannot_be_had_is_said(each: float, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        cuda_devices.share(0, each, ["a", "b"])
