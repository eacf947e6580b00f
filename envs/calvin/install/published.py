"""The published assets: the files of mees/calvin_env that the four scenes read, by content."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mmact_eval.envs.calvin.world.scenes import SCENES
from mmact_eval.errors import UsageError

COMMIT = "797142c588c21e76717268b7b430958dbd13bf48"
"""Of mees/calvin_env. The assets are the same at 1431a46, which mees/calvin names as its submodule."""

_NAMED = 3


@dataclass(frozen=True)
class Asset:
    """A file.

    Attributes:
        path: in the folder of assets.
        size: bytes.
        sha256: of its content.
        in_pybullet: path of the same file in pybullet's data, "" if it is not there.
    """

    path: str
    size: int
    sha256: str
    in_pybullet: str

    @property
    def in_repository(self) -> str:
        """Its path in mees/calvin_env."""
        return self.path if self.path == "LICENSE" else f"data/{self.path}"

    def is_in(self, content: bytes) -> bool:
        """Whether a file's content is this one's."""
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256

    def is_at(self, path: Path) -> bool:
        """Whether it lies there, whole and unchanged."""
        try:
            return path.stat().st_size == self.size and self.is_in(path.read_bytes())
        except OSError:
            return False


@functools.cache
def assets() -> tuple[Asset, ...]:
    """All of them, with the two licences."""
    text = resources.files("mmact_eval.envs.calvin.data").joinpath("assets.json").read_text()
    return tuple(Asset(path, *row) for path, row in json.loads(text).items())


def of_scene(scene: str) -> tuple[Asset, ...]:
    """Those that a scene needs: robot, plane, its own table and its own blocks."""
    blocks = tuple(f"blocks/block_{color}_{size}.urdf" for color, size in SCENES[scene].blocks)
    wanted = ("franka_panda/", "plane/", f"calvin_table_{scene}/", *blocks)
    return tuple(asset for asset in assets() if asset.path.startswith(wanted) and "LICENSE" not in asset.path)


def missing_or_other(folder: Path, wanted: Sequence[Asset]) -> list[str]:
    """Paths of those that are not in a folder as they were published."""
    return [asset.path for asset in wanted if not asset.is_at(folder / asset.path)]


@functools.cache
def require_published(folder: Path, scene: str) -> str:
    """Make sure that a folder holds a scene's published assets (20 ms, once a process).

    Returns:
        A hash of their content.

    Raises:
        UsageError: some are missing or others; names them and what to do.
    """
    wanted = of_scene(scene)
    if bad := missing_or_other(folder, wanted):
        raise UsageError(
            f"of scene {scene}'s assets in {folder}, {few(bad)} missing or not as published, so that results would not "
            "be CALVIN's; `mmact-eval setup calvin` brings the published ones"
        )
    return hashlib.sha256("".join(f"{asset.path} {asset.sha256}\n" for asset in wanted).encode()).hexdigest()


def pybullet_data() -> Path | None:
    """The folder of files that pybullet brings, None where it is not installed."""
    found = importlib.util.find_spec("pybullet_data")
    return Path(found.origin).parent if found and found.origin else None


def few(paths: Sequence[str]) -> str:
    """The first names and how many there are: ``3 files (a, b, c) are``."""
    names = ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
    return f"1 file ({names}) is" if len(paths) == 1 else f"{len(paths)} files ({names}) are"
