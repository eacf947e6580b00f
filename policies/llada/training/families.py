"""Which families of models can be trained: what the entry points of a group name."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.policies.llada.training.configurations import read_configuration
from mmact_eval.policies.llada.training.pipeline import Say, Trained
from mmact_eval.policies.llada.training.settings import AnyTraining

GROUP = "mmact_eval.trainings"
DEFAULT = "mmact"
"""The family of a configuration that names none."""

S = TypeVar("S", bound=AnyTraining)


class Trainable(Protocol[S]):
    """What an entry point names. Masked-token models say no more than `family.Family` does and have one pipeline.

    Attributes:
        name: in configuration files.
        policy: which of the harness's runs what is trained, with ``checkpoint=`` the folder that is written.
    """

    name: str
    policy: str

    def settings_type(self) -> type[S]:
        """What a configuration file is checked against."""

    def train(self, settings: S, out: Path, device_name: str, only_quantizer: bool, say: Say) -> Trained:
        """Train what is not there yet.

        Args:
            settings: how.
            out: the folder for all that is made.
            device_name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            only_quantizer: stop when the image tokenizer is trained.
            say: gets lines of progress.

        Raises:
            UsageError: data that cannot be read, a folder that holds another training, or no image tokenizer to stop
                at.
            OSError: `out` cannot be written.
        """


def families() -> dict[str, EntryPoint]:
    """Those that are installed, by name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def configured(name_or_path: str | Path, overrides: Sequence[str]) -> tuple[Trainable[Any], Any]:
    """The family of what is trained, and how: settings of that family's type.

    Args:
        name_or_path: the name of a configuration of the package, or the path of a file.
        overrides: fields to change, as in ``stages.act.steps=100``.

    Raises:
        UsageError: it cannot be read, or says something that makes no sense; names the line.
    """
    known = families()
    if not known:
        raise UsageError(
            "no family of models is registered: mmact-eval was installed before its code was changed. Install it "
            "again, in the checkout with: pip install -e ."
        )
    document = read_configuration(name_or_path, overrides, [_folder(point) for point in known.values()])
    name = document.data.get("family", DEFAULT)
    if name not in known:
        raise UsageError(
            document.message(
                ("family",), f"there is no family {name!r}.{did_you_mean(str(name), known)} Known: {', '.join(known)}"
            )
        )
    family: Trainable[Any] = known[name].load()
    return family, document.checked(family.settings_type())


def _folder(point: EntryPoint) -> Path:
    """Where a family's configurations are: beside the module that its entry point names."""
    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        raise UsageError(f'the family "{point.name}" is broken: there is no {point.module}')
    return Path(spec.origin).parent
