"""Threads that look after the process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mmact_eval.errors import RunAborted


def start_watching(watch: Callable[[], None], name: str) -> threading.Thread:
    """Start a thread that does not keep the process from ending.

    Raises:
        RunAborted: the machine has no thread for it.
    """
    try:
        thread = threading.Thread(target=watch, name=name, daemon=True)
        thread.start()
    except RuntimeError as error:
        raise RunAborted(
            f"cannot start a thread ({error}): this user has as many processes and threads as allowed. Ask for more "
            "(`ulimit -u`), or end some."
        ) from error
    return thread
