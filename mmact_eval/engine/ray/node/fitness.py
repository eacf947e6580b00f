"""Whether a node gives the results that this machine would: what they depend on must be the same on both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mmact_eval import __version__, registry
from mmact_eval.identity.environment import environment_parts
from mmact_eval.suite import Suite


def made_of(suites: Iterable[Suite]) -> dict[str, str]:
    """What the environments of these suites are made of here, as a run's fingerprint has it: versions of mmact-eval,
    simulator and assets, and the content of a user's own environment and files.

    Raises:
        UsageError: an environment cannot be found, or a file not be read.
    """
    found = {"mmact-eval": __version__}
    for suite in suites:
        found |= registry.env_plugin(suite.env).versions()
        for part, files in environment_parts(suite).items():
            found |= {f"{part} {name}": content for name, content in files.items()}
    return found


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """In what another node differs, a phrase each: ``mujoco 3.3.7 here, 3.2.3 there``."""
    return [
        f"{name} {here.get(name, 'absent')} here, {there.get(name, 'absent')} there"
        for name in dict.fromkeys([*here, *there])
        if here.get(name) != there.get(name)
    ]
