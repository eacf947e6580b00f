"""How another process makes the policy of a run again, and how it knows that it is the same."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mmact_eval import registry
from mmact_eval.errors import UsageError
from mmact_eval.identity.differences import differences
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.optional import WeighsDifferences
from mmact_eval.policy_output import json_data
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Change

Wrap = Callable[[Policy], Policy]


@dataclass(frozen=True)
class ModelRecipe:
    """What `registry.make_policy` was asked for. Picklable.

    Attributes:
        target, args, env_spec: its arguments.
        folder: the working folder, to which paths are relative.
        path: where Python looked for modules; what a fresh interpreter lacks of it is added behind its own.
    """

    target: str
    args: Mapping[str, Any]
    env_spec: EnvSpec
    folder: str
    path: tuple[str, ...]

    def make(self) -> MadePolicy:
        """The policy, in this process, which moves to its working folder.

        Raises:
            UsageError: it cannot be made here.
        """
        with contextlib.suppress(OSError):  # on a machine without this folder nothing may depend on it
            os.chdir(self.folder)
        sys.path += [entry for entry in self.path if entry not in sys.path]
        return registry.make_policy(self.target, self.args, self.env_spec)


@dataclass(frozen=True)
class PolicyRecipe:
    """How an arm's policy is made again, and what came of it where it was made first. Picklable.

    Attributes:
        model: how what acts in the end is made; arms that share their policy share this.
        wrap: what is put around that.
        about: what came of both, as nested plain data.
        outputs: names of files and arguments among it that the policy has written itself, which make no difference.
    """

    model: ModelRecipe
    wrap: Wrap
    about: Mapping[str, Any]
    outputs: frozenset[str]

    @classmethod
    def of(
        cls, target: str, args: Mapping[str, Any], env_spec: EnvSpec, wrap: Wrap, made: MadePolicy, policy: Policy
    ) -> PolicyRecipe:
        """The recipe of a policy that was made in this process.

        Args:
            target, args, env_spec: what `registry.make_policy` was asked for.
            wrap: what was put around it.
            made: what it gave.
            policy: `made.policy` wrapped.

        Raises:
            UsageError: what it is made with cannot be sent to another process.
        """
        folder = _working_folder()
        path = tuple(dict.fromkeys(os.path.normpath(os.path.join(folder, entry)) for entry in sys.path))
        model = ModelRecipe(target, dict(args), env_spec, folder, path)
        recipe = cls(model, wrap, _about(made, policy), _outputs(made))
        try:
            pickle.dumps(recipe)
        except Exception as error:
            raise UsageError(
                f'policy "{made.typed}" cannot have replicas, because what it is made with cannot be sent to another '
                f"process ({type(error).__name__}: {error}). Use plain values in its arguments, or --policy-replicas 0."
            ) from error
        return recipe

    def check(self, made: MadePolicy, policy: Policy, outputs: frozenset[str] = frozenset()) -> None:
        """Refuse another policy than the run's: other files on another machine, say.

        Args:
            made: what `model` has made here.
            policy: it, wrapped.
            outputs: what other replicas have written by now.

        Raises:
            UsageError: names the differences, in one line.
        """
        own = self.outputs | outputs | _outputs(made)
        found: Iterable[Change] = differences(_without(self.about, own), _without(_about(made, policy), own), "policy.")
        counted, _ = policy.weigh(list(found)) if isinstance(policy, WeighsDifferences) else (list(found), "")
        if counted:
            raise UsageError(
                f"a replica of the policy on {socket.gethostname()} is not the policy of this run: "
                f"{'; '.join(counted)} (this run → the replica). All replicas must be made of the same files and "
                "packages."
            )


def _working_folder() -> str:
    """ "/" if it was deleted: nothing is relative to it then."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _about(made: MadePolicy, policy: Policy) -> dict[str, Any]:
    """What decides how it acts; `config` and the others are called as in a run's fingerprint."""
    spec: dict[str, Any] = json_data(asdict(policy.spec))
    return {**spec, "code": dict(made.code), "paths": dict(made.paths)}


def _outputs(made: MadePolicy) -> frozenset[str]:
    return frozenset(name for names in made.wrote().values() for name in names)


def _without(about: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    """Without what the policy writes, of which one process may have read what another wrote."""
    parts = {part: {k: v for k, v in about[part].items() if k not in own} for part in ("code", "paths")}
    return {**about, **parts}
