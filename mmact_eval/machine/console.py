"""The terminal as it is: closed, not UTF-8, on a full disk. None of that may end a run or show a traceback."""

from __future__ import annotations

import codecs
import io
import os
import sys

_PLAIN = {"–": "-", "—": "-", "−": "-", "─": "-", "…": "...", "→": "->", "×": "x", "·": "-", "°": " deg"}
_HANDLER = "mmact_eval.plain"


def prepare_streams() -> None:
    """Make all three standard streams usable: what is closed goes nowhere, what a code page lacks is spelt plainly."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, or else a run's file would
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open for the process's life)
    codecs.register_error(_HANDLER, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def silence_output() -> None:
    """Nothing more can be written to standard output: drop what is still in its buffer, which Python flushes last."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(_PLAIN.get(letter) or _escaped(letter) for letter in error.object[error.start : error.end])
    return text, error.end


def _escaped(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode()
