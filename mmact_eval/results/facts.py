"""A run's manifest and sessions in words: what was run, on what, and what of it is not the real thing.

A report must come out of any manifest, also of one that another version wrote: what it lacks is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmact_eval.machine import renderers
from mmact_eval.runs.files.session import Session
from mmact_eval.runs.manifest import ActionPart, Manifest
from mmact_eval.specs import Physics

EXECUTED = "Actions executed per query"
"""A label: what the protocol asks for here; a summary puts what the records say in its place."""

CHECKPOINT, SEED, FINGERPRINT = "Checkpoint", "Seed", "Protocol fingerprint"
"""Labels of facts that tables for programs have too."""

_PROTOCOL_LABELS = {
    "max_steps": "Max steps",
    "settle_steps": "Settle steps",
    "replan": EXECUTED,
    "seed_mode": "Seed mode",
    "cameras": "Cameras on offer",
    "resolution": "Resolution",
    "rotation": "Image rotation",
    "episode_timeout": "Episode time limit",
    "disturbance": "Disturbance",
    "stages": "Stages per episode",
    "stage_steps": "Max steps per stage",
}
_ONE_STAGE = ("stages", 1)  # is not worth a line
_UNITS = {"rotation": "°", "episode_timeout": " s", "resolution": " px"}


class OfPolicy(str):
    """A sentence for people about a policy, which can be said of several at once.

    Attributes:
        policy: its name.
        said: of it, what stands behind the name.
    """

    policy: str
    said: str

    @classmethod
    def of(cls, policy: str, said: str) -> OfPolicy:
        """``Policy mine: random weights.``"""
        sentence = cls(f"Policy {policy}{said}")
        sentence.policy, sentence.said = policy, said
        return sentence


class RunFacts:
    """A manifest and the run's sessions, in words.

    What stands in the manifest's own fields is believed first, then what its fingerprint holds. What was asked last
    (``tasks``, ``episodes_planned``) is in the last session that says so: a run may be continued with more episodes.

    Attributes:
        suite, title, policy: names, "" if not known.
        tasks: task names in the benchmark's order, empty if not known.
    """

    def __init__(self, manifest: Manifest, sessions: Sequence[Session] = ()) -> None:
        made_with = manifest.made_with
        self._manifest = manifest
        self._sessions = sessions
        self.suite = manifest.suite.name or made_with.suite_name
        self.title = manifest.suite.title
        self.policy = manifest.policy.name or made_with.policy_name
        asked = next((s for s in reversed(sessions) if s.tasks or s.episodes_planned), None)
        self.tasks = list((asked.tasks if asked else None) or manifest.tasks)
        self._planned = (asked.episodes_planned if asked else None) or manifest.episodes_planned

    def asked(self, task: str) -> int | None:
        """Episodes planned for a task, or for the whole run if `task` is ""; None if the manifest does not tell.

        The number of the whole run is shared equally by its tasks, unless there is one for each.
        """
        planned = self._planned
        if planned is None:
            return None
        if isinstance(planned, Mapping):
            return planned.get(task) if task else sum(planned.values())
        if not task:
            return planned
        share, rest = divmod(planned, len(self.tasks)) if self.tasks else (0, 1)
        return share if task in self.tasks and not rest else None

    def not_real(self) -> tuple[str, ...]:
        """A sentence for everything that is not the real thing."""
        found: list[str] = []
        policy, env, name = self._manifest.policy, self._manifest.env, self.policy or "(unnamed)"
        if policy.not_real:
            found.append(OfPolicy.of(name, f": {policy.not_real.rstrip('.')}."))
        if policy.privileged:
            found.append(OfPolicy.of(name, " uses simulator ground truth, which no real policy has."))
        if env.not_real:
            found.append(f"Environment {env.name or '(unnamed)'}: {env.not_real.rstrip('.')}.")
        return tuple(found)

    def pictures_differ(self) -> tuple[str, ...]:
        """A sentence if the policy looks at pictures that differ from those of the published numbers."""
        differ = self._manifest.env.pictures_differ
        if not differ or not self._manifest.made_with.policy_cameras:
            return ()
        return (f"Pictures: {differ.rstrip('.')}.",)

    def provenance(self) -> dict[str, str]:
        """What was run, label → value; only what is known."""
        manifest, made_with = self._manifest, self._manifest.made_with
        checkpoint = made_with.checkpoint if manifest.policy.checkpoint is None else manifest.policy.checkpoint
        args = made_with.policy_args if manifest.policy.args is None else manifest.policy.args
        facts = {
            "Suite": self.suite,
            "Environment": manifest.env.name or manifest.suite.env or made_with.env_name,
            "Physics": physics_in_words(made_with.physics, bool(manifest.env.pictures_differ)),
            "Policy": self.policy,
            CHECKPOINT: "none" if checkpoint == "" else checkpoint,
            "Policy arguments": args,
            "Trained on init states": ", ".join(f"{suite} {states}" for suite, states in made_with.trained_on.items()),
            SEED: made_with.seed if manifest.seed is None else manifest.seed,
        }
        for key, label in _PROTOCOL_LABELS.items():
            if manifest.settings.get(key) is not None and (key, manifest.settings[key]) != _ONE_STAGE:
                facts[label] = _text(manifest.settings[key]) + _UNITS.get(key, "")
        machines = [session.machine for session in self._sessions]
        facts |= {
            FINGERPRINT: self.fingerprint(),
            "GPU": _each(machine.gpus for machine in machines) or ("none" if any(m.cpu for m in machines) else ""),
            "CPU": _each(machine.cpu for machine in machines),
            "Rendering": _each(session.prepared for session in self._sessions),
            "Workers": _each(session.workers for session in self._sessions),
            "Peak memory of a worker": self._peak_memory(),
            "Policy replicas": _each(session.policy_replicas for session in self._sessions),
            "Created": manifest.created,
            "Command": shlex.join(manifest.command),
            "Resumed by": self._resumed_by(),
        }
        return {label: text for label, value in facts.items() if (text := _text(value))}

    def action(self) -> ActionPart:
        """What is known of the environment's actions."""
        return self._manifest.env.action

    def renderer_note(self) -> tuple[str, ...]:
        """That the run went on under another renderer, if it did."""
        if not any(session.allows_renderers for session in self._sessions):
            return ()
        note = renderers.note(session.prepared for session in self._sessions)
        return (note,) if note else ()

    def fingerprint(self) -> str:
        """The protocol fingerprint as a short hash; "" if there is none."""
        manifest = self._manifest
        return manifest.digest or (manifest.fingerprint_digest if manifest.fingerprint else "")

    def versions(self) -> dict[str, str]:
        """Package → version, of the environment and of everything recorded."""
        python = _each(session.machine.python for session in self._sessions)
        found = {"python": python, **self._manifest.made_with.versions, **self._manifest.versions}
        return {str(name): _text(found[name]) for name in sorted(found, key=str) if _text(found[name])}

    def _resumed_by(self) -> str:
        """Commands of later starts, where they were others."""
        starts = (session for session in self._sessions if session.event == "start" and session.pending)
        commands = (shlex.join(map(str, session.command)) for session in starts)
        return _each(command for command in commands if command != shlex.join(self._manifest.command))

    def _peak_memory(self) -> str:
        peaks = [peak for session in self._sessions for peak in session.peak_memory_mib]
        return f"{max(peaks) / 1024:.2f} GiB" if peaks else ""


def physics_in_words(physics: Physics | None, pictures_differ: bool) -> str:
    """``MuJoCo 3.3.7 (published family, changed pictures)``, "" if there are no two of it."""
    if physics is None:
        return ""
    pictures = ", changed pictures" if pictures_differ else ""
    return f"{physics.engine} ({physics.family or 'unknown'} family{pictures})"


def _each(values: Iterable[Any]) -> str:
    """What the sessions say: each distinct answer once, the latest last, with semicolons."""
    texts: dict[str, None] = {}
    for value in values:
        text = _text(value)
        texts.pop(text, None)
        texts[text] = None
    return "; ".join(filter(None, texts))


def _text(value: Any) -> str:
    """A value for people: "" for nothing, lists with commas, maps as ``key=value``."""
    if value is None or (isinstance(value, str | list | tuple | dict) and not value):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
