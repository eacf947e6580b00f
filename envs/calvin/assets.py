"""Where CALVIN's assets are: meshes, textures and robot descriptions, which are not part of this package."""

from __future__ import annotations

import os
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import cache_folder, expanded

ASSETS_VARIABLE, CHECKOUT_VARIABLE = "CALVIN_ASSETS", "CALVIN_ENV_ROOT"

_TELLING = ("franka_panda/panda_longer_finger.urdf", "calvin_table_D/urdf/calvin_table_D.urdf", "plane/plane.urdf")
"""Files that every folder of assets has."""

HOW_TO_GET = (
    f"`mmact-eval setup calvin` brings them (5 MB); {ASSETS_VARIABLE} names a folder of them, {CHECKOUT_VARIABLE} a "
    "checkout of mees/calvin_env; the suite calvin-smoke needs none"
)


def find_assets(named: str | Path | None = None) -> Path:
    """The folder with ``franka_panda``, ``blocks``, ``plane`` and the tables, absolute.

    Args:
        named: it; None for what ``CALVIN_ASSETS`` names, else ``data`` in the checkout that ``CALVIN_ENV_ROOT`` names,
            else what `mmact-eval setup calvin` has put into the cache.

    Raises:
        UsageError: it is not there; says what to do.
    """
    for source, folder in _candidates(named):
        try:
            if _complete(folder):
                return folder.absolute()
        except OSError as error:  # no permission, or no name that a file system takes
            why = f"cannot look into {folder} ({error.strerror})"
            raise UsageError(f"{source}: {why}; {HOW_TO_GET}" if source else f"{why}; {HOW_TO_GET}") from error
        if source:
            raise UsageError(f"{source}: no assets of CALVIN in {folder}; {HOW_TO_GET}")
    raise UsageError(f"CALVIN's assets are not on this machine: {HOW_TO_GET}")


def own_folder() -> Path:
    """Where `mmact-eval setup calvin` puts them."""
    return cache_folder() / "calvin-assets"


def _candidates(named: str | Path | None) -> list[tuple[str, Path]]:
    """Folders in the order in which they count, each with who named it, "" for nobody."""
    if named is not None:
        return [("assets", expanded(named))]
    found = []
    if os.environ.get(ASSETS_VARIABLE):
        found.append((ASSETS_VARIABLE, expanded(os.environ[ASSETS_VARIABLE])))
    if os.environ.get(CHECKOUT_VARIABLE):
        found.append((CHECKOUT_VARIABLE, expanded(os.environ[CHECKOUT_VARIABLE]) / "data"))
    return [*found, ("", own_folder())]


def _complete(folder: Path) -> bool:
    """Raises `OSError` where it cannot be known."""
    return all((folder / name).is_file() for name in _TELLING)
