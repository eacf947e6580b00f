"""Which MuJoCo moves and draws LIBERO's objects as in the published numbers, and which otherwise.

MuJoCo 3.4 changed the collisions of boxes. LIBERO's stored initial states were recorded, and its numbers published,
with an earlier one; from 3.4 on some of them come to rest elsewhere. MuJoCo 3.3.3 had changed the pictures before: the
floor of LIBERO-Object is darker since. docs/physics.md has the measurements.
"""

from __future__ import annotations

import re

CHANGED_FROM = (3, 4)
"""The first MuJoCo whose box collisions are the changed ones."""

PICTURES_CHANGED_FROM = (3, 3, 3)
"""The first MuJoCo that draws another floor."""


def mujoco_family(version: str, changed_from: tuple[int, ...] = CHANGED_FROM) -> str:
    """The family (see `mmact_eval.specs.Physics`) of a version such as ``3.3.7``: ``published`` or ``changed``."""
    numbers = [int(found[0]) if (found := re.match(r"\d+", part)) else 0 for part in version.split(".")]
    return "changed" if tuple(numbers) >= changed_from else "published"
