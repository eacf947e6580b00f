"""What differs between a run and its repetition elsewhere or later: simulation, policy, machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmact_eval.runs.files.session import Session
from mmact_eval.runs.fingerprint import differences
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.runs.reading import Run

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class ThenAndNow:
    """Lines such as ``versions.mujoco: 3.3.7 → 3.4.0``.

    Attributes:
        simulation: fields of the fingerprint that are not the policy's: suite, protocol, versions.
        policy: the policy's fields of the fingerprint.
        machine: processors, GPUs, renderers, and packages that the fingerprint does not hold.
    """

    simulation: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.simulation, *self.policy, *self.machine)


def then_and_now(then: Run, now: Run) -> ThenAndNow:
    """What differs between two runs of the same episodes."""
    moved = _moved(then.manifest.made_with, now.manifest.made_with)
    changed = differences(then.fingerprint, now.fingerprint)
    fields = [line for line in changed if (line.before, line.now) not in moved]
    return ThenAndNow(
        simulation=tuple(line for line in fields if not line.startswith("policy.")),
        policy=tuple(line for line in fields if line.startswith("policy.")),
        machine=tuple(_machine_differences(_surroundings(then), _surroundings(now))),
    )


def _moved(then: MadeWith, now: MadeWith) -> list[tuple[Any, Any]]:
    """(``/their/checkpoint``, ``/my/checkpoint``) for arguments that name other places with equal content."""
    same = {key for key, content in then.policy_paths.items() if now.policy_paths.get(key) == content}
    changed = differences(then.policy_args, now.policy_args)
    return [(line.before, line.now) for line in changed if line.field in same]


def _machine_differences(then: Mapping[str, set[str]], now: Mapping[str, set[str]]) -> Iterable[str]:
    for what in now:
        before = then.get(what, set())
        if not now[what] <= before:
            yield f"{what}: {_joined(before)} → {_joined(now[what])}"


def _joined(values: set[str]) -> str:
    return " or ".join(sorted(values)) or NOT_RECORDED


def _surroundings(run: Run) -> dict[str, set[str]]:
    """What a run's sessions ran on, each with all its values: a run may have been continued on another machine."""
    found: dict[str, set[str]] = {}
    for session in run.sessions:
        if session.event == "start":
            for what, value in _session(session).items():
                found.setdefault(what, set()).add(value)
    return {what: values for what, values in found.items() if what not in run.manifest.made_with.versions}


def _session(session: Session) -> dict[str, str]:
    machine = session.machine
    return {
        "processor": machine.cpu or NOT_RECORDED,
        "GPU": ", ".join(machine.gpus) or "none",
        # Which of several equal devices a worker draws on changes nothing.
        **{key: str(value) for key, value in session.prepared.items() if key != "device"},
        "python": machine.python or NOT_RECORDED,
        **{name: str(version) for name, version in machine.packages.items()},
    }
