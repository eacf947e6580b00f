"""Whether CALVIN works here: pybullet, the assets, upstream's recordings."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.assets import ASSETS_VARIABLE, find_assets, own_folder
from mmact_eval.envs.calvin.install.published import assets as published
from mmact_eval.envs.calvin.install.published import missing_or_other
from mmact_eval.errors import UsageError
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, PolicyOutput, Query

_ROOT = Path(__file__).parents[3]

needs_pybullet = pytest.mark.skipif(bool(registry.missing_packages(plugin)), reason="needs the calvin extra")


def _shared(name: str) -> list[Path]:
    """Where a machine may keep data for all checkouts on it."""
    return [folder / "shared" / "data" / "calvin" / name for folder in _ROOT.parents[:2]]


@functools.cache
def assets() -> Path | None:
    """The folder that ``CALVIN_ASSETS`` names, else data beside the repository, else what was set up; None."""
    named = os.environ.get(ASSETS_VARIABLE)
    for folder in [Path(named)] if named else [*_shared("assets"), own_folder()]:
        try:
            return find_assets(folder)
        except UsageError:
            continue
    return None


@functools.cache
def golden() -> Path | None:
    """The folder of upstream's recordings, None if they are not here."""
    return next((folder for folder in _shared("golden") if folder.is_dir()), None)


def require_assets(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of assets, which runs find too; skips the test where there is none."""
    found = assets()
    if found is None:
        pytest.skip("needs CALVIN's assets: `mmact-eval setup calvin`")
    assert not missing_or_other(found, [asset for asset in published() if "LICENSE" not in asset.path])
    monkeypatch.setenv(ASSETS_VARIABLE, str(found))
    return found


def suite(name: str = "calvin-smoke", *overrides: str) -> Suite:
    """A suite of CALVIN's."""
    return load_suite(name, overrides)


class Replaying:
    """Plays actions back one by one, whatever it is told.

    Attributes:
        spec: as a policy's.
        resets: at which action it was told that something new begins.
        instructions: what it was asked, without repetitions.
    """

    def __init__(self, actions: NDArray[np.float32], env: EnvSpec) -> None:
        """
        Args:
            actions: (T, 7), what it answers, one after another.
            env: whose actions they are.
        """
        self._actions = actions
        self.spec = PolicySpec("replaying", env.action, chunk=1)
        self.resets: list[int] = []
        self.instructions: list[str] = []
        self._asked = 0

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Note it."""
        self.resets.append(self._asked)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The action of the query's number."""
        (query,) = queries
        if not self.instructions or self.instructions[-1] != query.observation.instruction:
            self.instructions.append(query.observation.instruction)
        self._asked = query.index + 1
        return [PolicyOutput(self._actions[query.index : query.index + 1])]
