"""Compiled models on disk: an entry a model, with its textures and meshes in files that models share.

An entry is a file of MuJoCo's own format in which textures and meshes are zero, and a list that says where they are.
The list is written last, so there is an entry as a whole or not at all; all is checked against sums when it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmact_eval.envs.libero.compiled import cuts, pieces
from mmact_eval.envs.libero.compiled.cuts import Cut
from mmact_eval.envs.libero.compiled.pieces import Damaged
from mmact_eval.envs.libero.compiled.textures import KeptTexture


@dataclass(frozen=True)
class Layout:
    """Where the cache has what.

    Attributes:
        folder: of everything.
    """

    folder: Path

    @property
    def shared(self) -> Path:
        """Folder of textures and meshes."""
        return self.folder / "pieces"

    def model(self, key: str) -> Path:
        """MuJoCo's file."""
        return self.folder / "models" / f"{key}.mjb"

    def listing(self, key: str) -> Path:
        """The list of what belongs into it."""
        return self.folder / "models" / f"{key}.json"


def write(layout: Layout, key: str, model: Any) -> None:
    """Keep a model. Of the one that is given, textures and meshes are zero afterwards.

    Raises:
        OSError: it could not be written.
    """
    import mujoco

    textures = [_kept(layout, model, (cut,)) for cut in cuts.textures(model)]
    meshes = [_kept(layout, model, part) for part in cuts.meshes(model)]
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    stretches = pieces.write_sparse(layout.model(key), content)
    listed = {"size": content.size, "stretches": stretches, "textures": textures, "meshes": meshes}
    with pieces.appearing(layout.listing(key)) as stream:
        stream.write(json.dumps(listed).encode())


def read(layout: Layout, key: str) -> tuple[Any, list[KeptTexture]] | None:
    """A model that is kept, without the pixels of its textures.

    Returns:
        The `mujoco.MjModel`, and its textures; None if there is no such model.

    Raises:
        Damaged: there is one, but not as it was written. What is broken has been removed, if it can be.
    """
    try:
        listed: dict[str, Any] = json.loads(layout.listing(key).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        _remove([layout.listing(key)])
        raise Damaged(str(error), layout.listing(key)) from error
    try:
        model = _read(layout, key, listed)
        textures = [_texture(layout, model, entry) for entry in listed["textures"]]
    except Damaged as error:
        _remove([layout.listing(key), layout.model(key), *([error.file] if error.file else [])])
        raise
    except (KeyError, TypeError, ValueError) as error:  # a list or a model of another version, say
        _remove([layout.listing(key), layout.model(key)])
        raise Damaged(repr(error), layout.listing(key)) from error
    with suppress(OSError):
        os.utime(layout.listing(key))  # when it was last of use
    return model, textures


def names_in(listing: Path) -> list[str]:
    """The shared files that an entry needs.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is damaged.
    """
    listed = json.loads(listing.read_bytes())
    return [str(entry["name"]) for entry in (*listed["textures"], *listed["meshes"])]


def _kept(layout: Layout, model: Any, part: Sequence[Cut]) -> dict[str, Any]:
    """Write a part and make it zero in the model."""
    parts = [cut.bytes_of(model) for cut in part]
    name, crc = pieces.write(layout.shared, parts)
    for one in parts:
        one[:] = 0
    return {"name": name, "crc": crc, "cuts": [list(asdict(cut).values()) for cut in part]}


def _read(layout: Layout, key: str, listed: dict[str, Any]) -> Any:
    import mujoco

    pieces.check_sparse(layout.model(key), listed["size"], listed["stretches"])
    model = mujoco.MjModel.from_binary_path(str(layout.model(key)))
    for entry in listed["meshes"]:
        parts = [Cut(*cut).bytes_of(model) for cut in entry["cuts"]]
        pieces.read_into(layout.shared / entry["name"], parts, entry["crc"])
    return model


def _texture(layout: Layout, model: Any, entry: dict[str, Any]) -> KeptTexture:
    (cut,) = (Cut(*cut) for cut in entry["cuts"])
    file = layout.shared / entry["name"]
    pieces.check(file, cut.bytes_of(model).size, entry["crc"])
    return KeptTexture(file, cut)


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink()
