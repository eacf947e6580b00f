"""The worker's end of a simulator process: start it, ask it, end it.

RoboTwin changes the working folder, prints at every action, calls `exit()` and may need another interpreter. All of
that stays in a process of its own; what it prints goes to a file that is quoted when it breaks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mmact_eval.engine.limits.waiting import says_something
from mmact_eval.envs.robotwin.simulator import wire
from mmact_eval.envs.robotwin.simulator.runtime import Settings
from mmact_eval.errors import EnvironmentFailure
from mmact_eval.machine.processes import high_water_mib

log = logging.getLogger(__name__)

_PACKAGE = "mmact_robotwin_simulator"
_START = """
import importlib.util, sys
name, folder, descriptor = sys.argv[1:4]
sys.path[:] = [entry for entry in sys.path if entry]
spec = importlib.util.spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
package = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
importlib.import_module(name + ".server").serve(int(descriptor))
"""

OPEN_SECONDS = 300.0
"""What importing the simulator may take."""

_QUOTED_LINES = 30


class SimulatorDied(EnvironmentFailure):
    """The simulator's process has ended or was ended because it took too long."""


class Simulator:
    """A simulator process.

    Attributes:
        versions: versions of the packages in its interpreter.
    """

    def __init__(self, settings: Settings, python: str = "", variables: Mapping[str, str] | None = None) -> None:
        """Start it and let it import RoboTwin (a few seconds).

        Args:
            settings: what it simulates.
            python: the interpreter, "" for this one.
            variables: environment variables it gets on top of ours.

        Raises:
            EnvironmentFailure: it cannot be started, or RoboTwin cannot be imported.
        """
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        ours, theirs = socket.socketpair()
        command = [python or sys.executable, "-c", _START, _PACKAGE]
        command += [str(Path(__file__).with_name("simulator")), str(theirs.fileno())]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(variables or {})}
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._output,
                    stderr=subprocess.STDOUT, env=environment, cwd=tempfile.gettempdir(),
                )  # fmt: skip
            except OSError as error:
                raise EnvironmentFailure(f"the interpreter {command[0]} cannot be started: {error}") from error
        self._pipe = Connection(ours.detach())
        try:
            self.versions: dict[str, str] = self.ask("open", OPEN_SECONDS, settings=asdict(settings))["versions"]
        except BaseException:
            self.kill()
            raise

    def ask(self, what: str, timeout: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer.

        Args:
            what: the request's name, see `simulator.server`.
            timeout: seconds after which the process is ended; None for no limit.

        Raises:
            SimulatorDied: the process has ended, or did not answer in time.
            EnvironmentFailure: the simulator raised.
        """
        try:
            wire.send(self._pipe, {"do": what, **arguments})
            if timeout is not None and not says_something(self._pipe, timeout):
                self.kill()
                raise SimulatorDied(f"the simulator did not answer `{what}` within {timeout:g} s")
            answer = wire.receive(self._pipe)
        except (EOFError, OSError) as error:
            raise SimulatorDied(f"the simulator's process {self._epitaph()}") from error
        if "error" in answer:
            log.error("the simulator failed at `%s`:\n%s", what, self.tail())
            raise EnvironmentFailure(str(answer["error"]))
        return answer

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def peak_memory_mib(self) -> float:
        """The most memory the process has had, in MiB; 0 if that cannot be told."""
        return high_water_mib(self._process.pid) or 0.0

    def tail(self, lines: int = _QUOTED_LINES) -> str:
        """The last lines it printed."""
        with contextlib.suppress(OSError, ValueError):
            size = os.fstat(self._output.fileno()).st_size
            text = os.pread(self._output.fileno(), 16_384, max(0, size - 16_384)).decode(errors="replace")
            shown = [line.rpartition("\r")[2] for line in text.splitlines() if line.strip()]
            return "\n".join(shown[-lines:])
        return ""

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self.kill()

    def kill(self) -> None:
        """End it at once; again is harmless."""
        self._process.kill()
        self._process.wait()
        self._output.close()

    def _epitaph(self) -> str:
        deadline = time.monotonic() + 2
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        code = self._process.poll()
        log.error("the simulator's process has ended (%s):\n%s", code, self.tail())
        if code is None:
            return "closed its pipe"
        if code < 0:
            return f"died of signal {-code} ({signal.Signals(-code).name})"
        last = self.tail(1)
        return f"exited with code {code}" + (f": {last}" if last else "")
