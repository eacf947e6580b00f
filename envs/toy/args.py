"""What a suite may write in the toy's ``env_args``: faults on demand and a slow simulator.

They let tests of the engine, and authors of environments, see what happens when a simulator misbehaves.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmact_eval.errors import UsageError, did_you_mean

FAULTS = ("raise", "hang", "crash", "nan_state")


@dataclass(frozen=True)
class ToyArgs:
    """Checked ``env_args``.

    Attributes:
        fault: what goes wrong at the first policy step of an episode: ``raise`` an exception, ``hang`` for ever,
            ``crash`` (the process kills itself), ``nan_state`` (the position becomes NaN); None for nothing.
        fault_init_state: the init state at which it does.
        fault_once: path of a marker file: the fault happens only while the file does not exist, and creates it.
        step_seconds: how long a simulation step takes, in seconds.
    """

    fault: str | None = None
    fault_init_state: int = 0
    fault_once: str | None = None
    step_seconds: float = 0.0

    @classmethod
    def parse(cls, env_args: Mapping[str, Any]) -> ToyArgs:
        """Check and convert.

        Raises:
            UsageError: an unknown name or a value that makes no sense; the message says what would.
        """
        names = [f.name for f in fields(cls)]
        for key in env_args:
            if key not in names:
                raise UsageError(f'toy env_args: unknown "{key}"; known: {", ".join(names)}.{did_you_mean(key, names)}')
        args = cls(**env_args)
        if args.fault is not None and args.fault not in FAULTS:
            hint = did_you_mean(str(args.fault), FAULTS)
            raise UsageError(f'toy env_args.fault: "{args.fault}" is not null or one of {", ".join(FAULTS)}.{hint}')
        if type(args.fault_init_state) is not int or args.fault_init_state < 0:
            raise UsageError(f"toy env_args.fault_init_state: want an integer ≥ 0, got {args.fault_init_state!r}")
        if args.fault_once is not None and not (isinstance(args.fault_once, str) and args.fault_once):
            raise UsageError(f"toy env_args.fault_once: want the path of a marker file, got {args.fault_once!r}")
        seconds = args.step_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise UsageError(f"toy env_args.step_seconds: want seconds ≥ 0, got {seconds!r}")
        return args

    def strike(self, init_state: int) -> bool:
        """Let the fault happen if it is due. Returns whether the state must become NaN; may not return at all."""
        if self.fault is None or init_state != self.fault_init_state or not self._first_time():
            return False
        if self.fault == "raise":
            raise RuntimeError(f"toy fault at init state {init_state}")
        if self.fault == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        while self.fault == "hang":
            time.sleep(1.0)
        return True

    def _first_time(self) -> bool:
        if self.fault_once is None:
            return True
        try:
            Path(self.fault_once).open("x").close()  # atomic: of several workers only one sees the fault
        except FileExistsError:
            return False
        return True
