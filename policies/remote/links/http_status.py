"""What an HTTP status means for somebody who could ask again."""

from __future__ import annotations

_LATER = (408, 425, 429, 500, 502, 503, 504)


def may_pass(code: int) -> bool:
    """Whether the same request may be answered later: an overload, a server that is being started behind a proxy."""
    return code in _LATER
