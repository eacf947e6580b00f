"""What Ray says of a worker that is gone, in one line."""

from __future__ import annotations

from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from mmact_eval.engine.ray.messages import Hello


def told(error: RayError, where: Hello | None) -> str:
    """A sentence without its stop."""
    text = str(error)
    on = f"on {where.host}" if where is not None else "before it started"
    if isinstance(error, RayTaskError):
        return f"the worker's actor {on} raised {_last_line(text)}"
    if isinstance(error, OutOfMemoryError) or "running low on memory" in text or "out-of-memory" in text.lower():
        return f"Ray ended the worker's actor {on}: the node was out of memory"
    if "node" in text.lower() and ("node has died" in text or "node died" in text.lower()):
        return f"the worker's node has died ({where.host})" if where is not None else "the worker's node has died"
    return f"the worker's actor {on} has died"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "an error"
