"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """``1 episode``, ``3 episodes``; with more words where the verb follows the number.

    Args:
        number: how many.
        one: what stands behind 1, ``task`` or ``episode ended in an error``.
        several: what stands behind other numbers; "" for `one` and an s.
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"
