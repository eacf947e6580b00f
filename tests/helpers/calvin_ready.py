"""Where CALVIN's assets are on the machine that runs the tests."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.envs.calvin.assets import find_assets
from mmact_eval.errors import UsageError

BESIDE = Path(__file__).parents[3] / "shared" / "data" / "calvin" / "assets"
"""A folder next to the checkout, where they may lie too."""


def assets() -> Path | None:
    """The folder of CALVIN's assets: the one that a user would get, else `BESIDE`; None if neither is there."""
    for named in (None, BESIDE):
        try:
            return find_assets(named)
        except UsageError:
            continue
    return None
