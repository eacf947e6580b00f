"""Writing report files."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.errors import UsageError


def write_text(folder: Path, name: str, text: str) -> Path:
    """Write a file in `folder`, which is made if it is not there.

    Raises:
        UsageError: it cannot be written.
    """
    file = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Messages of the operating system may hold bytes that are no text.
        file.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise UsageError(f"cannot write the report {file}: {error.strerror}. Choose another folder.") from error
    return file
