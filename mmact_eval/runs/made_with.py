"""What of a run's fingerprint is asked for by name. It is nested plain data itself, of which parts may lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmact_eval.specs import TRAINED_ON, Physics


@dataclass(frozen=True)
class MadeWith:
    """A fingerprint by name; what is not in it, or is odd, is empty or None.

    Attributes:
        data: the fingerprint.
    """

    data: Mapping[str, Any]

    @property
    def suite_name(self) -> str:
        """Canonical name of the suite."""
        return _text(self._part("suite").get("name"))

    @property
    def env_name(self) -> str:
        """Name of its environment plug-in."""
        return _text(self._part("suite").get("env"))

    @property
    def protocol(self) -> Mapping[str, Any]:
        """What of the suite's protocol can change a result."""
        return self._part("protocol")

    @property
    def max_steps(self) -> int | None:
        """Environment steps that the policy had."""
        return _whole(self.protocol.get("max_steps"))

    @property
    def replan(self) -> int | None:
        """Actions that were to be executed for a query."""
        return _whole(self.protocol.get("replan"))

    @property
    def stages(self) -> int:
        """Instructions that an episode gives one after another; 1 where the suite knows no stages."""
        return _whole(self.protocol.get("stages")) or 1

    @property
    def stage_steps(self) -> int | None:
        """Environment steps that the policy had for each of them, None if only `max_steps` bounds them."""
        return _whole(self.protocol.get("stage_steps"))

    @property
    def policy(self) -> Mapping[str, Any]:
        """Everything about the policy."""
        return self._part("policy")

    @property
    def policy_name(self) -> str:
        """As tables call it."""
        return _text(self.policy.get("name"))

    @property
    def policy_target(self) -> str:
        """What it was asked for as, without folders and addresses."""
        return _text(self.policy.get("target"))

    @property
    def checkpoint(self) -> str | None:
        """Where its weights came from, "" if it has none, None if that is not known."""
        found = self.policy.get("checkpoint")
        return None if found is None else str(found)

    @property
    def policy_args(self) -> Mapping[str, Any]:
        """Its arguments, without those that only say how it is reached."""
        return as_map(self.policy.get("args"))

    @property
    def policy_config(self) -> Mapping[str, Any]:
        """What else defines its behaviour."""
        return as_map(self.policy.get("config"))

    @property
    def policy_code(self) -> Mapping[str, str]:
        """Its files of a user's code: file → hash."""
        return as_map(self.policy.get("code"))

    @property
    def policy_paths(self) -> Mapping[str, str]:
        """Arguments that name a file or folder → hash of its content."""
        return as_map(self.policy.get("paths"))

    @property
    def policy_cameras(self) -> tuple[str, ...]:
        """The cameras that it looked at."""
        found = self.policy.get("cameras")
        return tuple(map(str, found)) if isinstance(found, list | tuple) else ()

    @property
    def trained_on(self) -> Mapping[str, str]:
        """Suite → init states that it was trained on, as in ``0-19,25``; empty if it does not tell."""
        return {str(suite): str(text) for suite, text in as_map(self.policy_config.get(TRAINED_ON)).items()}

    @property
    def transforms(self) -> tuple[Any, ...]:
        """What a study laid over the policy, as plain data each."""
        found = self.policy_config.get("transforms")
        return tuple(found) if isinstance(found, list | tuple) else ()

    @property
    def seed(self) -> int | None:
        """The run's."""
        return _whole(self.data.get("seed"))

    @property
    def versions(self) -> Mapping[str, str]:
        """Package → version, of simulator and assets."""
        return as_map(self.data.get("versions"))

    @property
    def physics(self) -> Physics | None:
        """The physics, if the environment has named it."""
        told = self._part("physics")
        engine, family = told.get("engine"), told.get("family", "")
        return Physics(str(engine), str(family), str(told.get("pictures", "published"))) if engine else None

    @property
    def drawn_every(self) -> int:
        """Of a recording: frames between two whose pictures were drawn."""
        return _whole(self._part("recording").get("every")) or 1

    def of_command(self, name: str) -> Any:
        """What another command than `run` has put around the policy, under its name; None if nothing."""
        return self.data.get(name)

    def _part(self, name: str) -> Mapping[str, Any]:
        return as_map(self.data.get(name))


def as_map(value: Any) -> Mapping[str, Any]:
    """A map; an empty one for what is none, as in files that somebody edited."""
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
