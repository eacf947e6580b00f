"""A folder of stand-ins for CALVIN's assets, in the cache: there as a whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from mmact_eval.envs.calvin.stand_in.parts import Box, Color, link, text
from mmact_eval.envs.calvin.stand_in.robot import panda
from mmact_eval.envs.calvin.stand_in.table import PLACES, table
from mmact_eval.envs.calvin.world.bullet import how_to_install
from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import cache_folder, for_writing

_COLORS: Mapping[str, Color] = {"red": (1.0, 0.0, 0.0), "blue": (0.0, 0.0, 1.0), "pink": (1.0, 0.0, 1.0)}
_LENGTHS = {"small": 0.05, "middle": 0.07, "big": 0.1}
_WIDTH, _FRICTION = 0.05, 0.7
_LINKED = {
    "franka_panda/meshes": "franka_panda/meshes",
    "plane/plane.obj": "plane.obj",
    "plane/plane.mtl": "plane.mtl",
    "plane/checker_blue.png": "checker_blue.png",
}
"""What is pybullet's own: path in our folder → path in its data."""


@functools.cache
def stand_in_assets() -> Path:
    """The folder, with the names of CALVIN's files; made if it is not there.

    Raises:
        UsageError: pybullet is not installed, or the cache cannot be written to.
    """
    folder = cache_folder() / "calvin-stand-in" / _key()
    if not (folder / "franka_panda" / "panda_longer_finger.urdf").is_file():
        parent = for_writing(folder.parent)
        with tempfile.TemporaryDirectory(dir=parent) as fresh:
            made = Path(fresh) / "made"
            _write(made)
            try:
                os.rename(made, folder)
            except OSError:  # another process was faster, or a broken one is in the way
                if not (folder / "franka_panda" / "panda_longer_finger.urdf").is_file():
                    shutil.rmtree(folder, ignore_errors=True)
                    os.rename(made, folder)
    return folder


@functools.cache
def stand_in_digest() -> str:
    """Hash of all descriptions of boxes; pybullet's own files have its version."""
    return _hash("".join(f"{name}\0{content}\0" for name, content in sorted(_texts().items())))


def _key() -> str:
    """A folder holds for one content and one place of pybullet's data, which it links to."""
    return _hash(f"{stand_in_digest()} {_pybullet_data()}")[:16]


@functools.cache
def _texts() -> dict[str, str]:
    """Path → content of the files that are written."""
    data = _pybullet_data()
    files = {f"calvin_table_{scene}/urdf/calvin_table_{scene}.urdf": table(scene) for scene in PLACES}
    for color in _COLORS:
        for size in _LENGTHS:
            files[f"blocks/block_{color}_{size}.urdf"] = _block(color, size)
    files["franka_panda/panda_longer_finger.urdf"] = panda(data / "franka_panda" / "panda.urdf")
    files["plane/plane.urdf"] = (data / "plane.urdf").read_text().replace("plane100.obj", "plane.obj")
    return files


def _write(folder: Path) -> None:
    for name, content in _texts().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    for name, original in _LINKED.items():
        (folder / name).symlink_to(_pybullet_data() / original)


def _block(color: str, size: str) -> str:
    half = (_LENGTHS[size] / 2, _WIDTH / 2, _WIDTH / 2)
    box = Box((-half[0], -half[1], -half[2]), half, _COLORS[color])
    root = ElementTree.Element("robot", name=f"block_{color}")
    root.append(link("base_link", 1.0, (box,), _FRICTION))
    return text(root)


@functools.cache
def _pybullet_data() -> Path:
    found = importlib.util.find_spec("pybullet_data")
    if found is None or found.origin is None:
        raise UsageError(f"CALVIN's stand-in needs pybullet: {how_to_install()}")
    return Path(found.origin).parent


def _hash(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
