"""How much memory a process has had is its own, whoever started it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmact_eval.machine.processes import high_water_mib, peak_memory_mib

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell")

_SAY = "from mmact_eval.machine.processes import peak_memory_mib; print(peak_memory_mib())"


def test_a_process_does_not_take_over_the_peak_of_the_one_that_started_it() -> None:
    taken = bytearray(b"x") * (400 * 2**20)
    assert peak_memory_mib() > 400
    said = subprocess.run([sys.executable, "-c", _SAY], capture_output=True, text=True, check=True).stdout
    assert 5 < float(said) < 200
    assert len(taken) == 400 * 2**20


def test_of_a_process_that_is_gone_nothing_is_told() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert high_water_mib(gone.pid) is None
