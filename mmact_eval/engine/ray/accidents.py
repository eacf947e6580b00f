"""What Ray says of an actor that is gone, in one line."""

from __future__ import annotations

from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from mmact_eval.engine.ray.messages import Hello


def told(error: RayError, where: Hello | None) -> str:
    """How it ended, in words that follow "the worker" or "the replica", without a stop."""
    text = str(error)
    on = where.host if where is not None else "a node"
    if isinstance(error, RayTaskError):
        return f"raised on {on}: {_last_line(text)}"
    if isinstance(error, OutOfMemoryError) or "running low on memory" in text or "out-of-memory" in text.lower():
        return f"was ended by Ray, because {on} was out of memory"
    if "node has died" in text or "node died" in text.lower():
        return f"died with its node, {on}"
    return f"died on {on}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "an error"
