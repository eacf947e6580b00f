"""Where things are kept that can be made again: drivers, the synthetic robot, seed manifests."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.machine import user_folders


def cache_folder() -> Path:
    """``robotwin`` in the user's cache folder. May not exist yet.

    Raises:
        UsageError: there is no folder for caches here; says which variable names one.
    """
    return user_folders.cache_folder() / "robotwin"
