"""Writing report files."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.machine.whole_file import write_whole


def write_text(folder: Path, name: str, text: str) -> Path:
    """Write a file in `folder`, which is made if it is not there.

    Raises:
        UsageError: it cannot be written.
    """
    file = folder / name
    try:
        write_whole(file, text)
    except OSError as error:
        raise UsageError(
            f"cannot write the report {file}: {error.strerror}. Make room, or have it written elsewhere: "
            "mmact-eval report RUN --out FOLDER."
        ) from error
    return file
