"""`mmact-eval setup calvin`: put the assets into the cache, all of them or none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mmact_eval.envs.calvin.assets import ASSETS_VARIABLE, CHECKOUT_VARIABLE, own_folder
from mmact_eval.envs.calvin.install.download import BASE, download
from mmact_eval.envs.calvin.install.published import Asset, assets, few, missing_or_other, pybullet_data
from mmact_eval.envs.calvin.world.bullet import how_to_install
from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import for_writing

_PINNED = "1431a46"
_UNFINISHED, _STALE_SECONDS = ".calvin-assets-", 3600.0

_ORIGIN = """\
Assets of CALVIN: unchanged files of data/ in github.com/mees/calvin_env at 797142c.

MIT, Copyright (c) 2021 Oier Mees: see LICENSE (tables, blocks, plane, fingers).
Apache 2.0: see franka_panda/LICENSE.txt (the Panda; files that pybullet's data holds too may come from there).
franka_panda/meshes/visual/digit_gel_only.STL is a part of Meta's DIGIT, which CALVIN gives under MIT.
"""


def set_up(say: Callable[[str], None], base: str = BASE) -> None:
    """Bring the assets from pybullet's data and the network; what is there and whole is left alone.

    Args:
        say: told what happens.
        base: address of the root of mees/calvin_env.

    Raises:
        UsageError: pybullet is missing, something cannot be downloaded or is not what was published, or there is no
            place to keep it.
    """
    if _is_there(say):
        return
    if pybullet_data() is None:
        raise UsageError(f"the simulator itself comes first: {how_to_install()}")

    def fill(folder: Path) -> None:
        download(_taken(_in_pybullet, assets(), folder), folder, base, say)

    _put(fill, say)


def set_up_from(source: Path, say: Callable[[str], None]) -> None:
    """Bring the assets from a folder on this machine.

    Args:
        source: a checkout of mees/calvin_env, one of mees/calvin with its submodule, or a folder of assets.
        say: told what happens.

    Raises:
        UsageError: the folder holds no assets or others than were published, or there is no place to keep them.
    """
    folder = _assets_in(source)
    if _commit(folder.parent).startswith(_PINNED):
        say(
            f"{folder.parent} is at {_PINNED}, in whose code a burning LED takes two presses of the button; that code "
            "is not used here, and the assets are the same."
        )

    def fill(target: Path) -> None:
        lacking = _taken(lambda asset: _in_folder(folder, asset), assets(), target)
        lacking = _taken(_in_pybullet, lacking, target)
        if lacking:
            raise UsageError(
                f"{few([asset.path for asset in lacking])} missing in {folder} or not as published; check out "
                f"mees/calvin_env at 797142c, or let `mmact-eval setup calvin` download them"
            )

    if not _is_there(say):
        _put(fill, say)


def _is_there(say: Callable[[str], None]) -> bool:
    for variable in (ASSETS_VARIABLE, CHECKOUT_VARIABLE):
        if os.environ.get(variable):
            say(f"{variable} is set: runs use what it names and not what is set up here.")
    own = own_folder()
    whole = own.is_dir() and not missing_or_other(own, assets())
    if whole:
        say(f"All assets are in {own}")
    return whole


def _put(fill: Callable[[Path], None], say: Callable[[str], None]) -> None:
    """Fill a folder beside the place of the assets and move it there as a whole."""
    own = own_folder()
    for left in own.parent.glob(f"{_UNFINISHED}*"):  # by one that was killed
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=for_writing(own.parent)) as fresh:
            whole, before = Path(fresh) / "whole", Path(fresh) / "before"
            whole.mkdir()
            fill(whole)
            (whole / "ORIGIN.txt").write_text(_ORIGIN)
            if own.exists():
                os.rename(own, before)
            os.rename(whole, own)
    except OSError as error:  # a full disk, or somebody else was faster
        if missing_or_other(own, assets()):
            raise UsageError(f"cannot put CALVIN's assets into {own}: {error}") from error
    say(f"{len(assets())} files in {own}, each as published. Their licences (MIT, Apache 2.0) are there too.")


def _taken(place: Callable[[Asset], Path | None], wanted: Sequence[Asset], target: Path) -> list[Asset]:
    """Copy those that are whole at their place. Returns the others."""
    lacking = []
    for asset in wanted:
        found = place(asset)
        if found is None:
            lacking.append(asset)
            continue
        (target / asset.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, target / asset.path)
    return lacking


def _in_pybullet(asset: Asset) -> Path | None:
    data = pybullet_data()
    found = data / asset.in_pybullet if data and asset.in_pybullet else None
    return found if found and asset.is_at(found) else None


def _in_folder(folder: Path, asset: Asset) -> Path | None:
    """A checkout has its licence beside the folder of assets."""
    places = [folder / asset.path, *([folder.parent / asset.path] if asset.path == "LICENSE" else [])]
    return next((place for place in places if asset.is_at(place)), None)


def _assets_in(source: Path) -> Path:
    """The folder of assets in what a person has named."""
    tried = [source, source / "data", source / "calvin_env" / "data"]
    for folder in tried:
        if (folder / "franka_panda").is_dir():
            return folder.absolute()
    empty = (source / "calvin_env").is_dir() and not any((source / "calvin_env").iterdir())
    hint = "; its submodule calvin_env is empty: git submodule update --init calvin_env" if empty else ""
    raise UsageError(
        f"{source} holds no assets of CALVIN{hint}. It should be a checkout of mees/calvin_env, one of mees/calvin "
        "with its submodule, or a folder with franka_panda, blocks, plane and the tables"
    )


def _commit(checkout: Path) -> str:
    """The commit of a checkout, "" if it is none or cannot be told."""
    if not (checkout / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
