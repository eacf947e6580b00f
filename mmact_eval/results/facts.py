"""Reads a run's manifest for people: what was run, on what, and what of it is not the real thing.

A report must come out of any manifest, also of one that another version wrote or that lacks things: nothing here
raises for a missing or odd key, it is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mmact_eval.machine import renderers
from mmact_eval.results.trained_on import trained_on

EXECUTED = "Actions executed per query"
"""A label: what the protocol asks for here; a summary puts what the records say in its place."""

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
}
_UNITS = {"rotation": "°", "episode_timeout": " s", "resolution": " px"}


class RunFacts:
    """A manifest and the run's sessions, read forgivingly.

    What stands at the manifest's top level is believed first, then what its ``fingerprint`` holds. What was asked last
    (``tasks``, ``episodes_planned``) is in the last session that says so: a run may be continued with more episodes.

    Attributes:
        suite, title, policy: names, "" if not known.
        tasks: task names in the benchmark's order, empty if not known.
    """

    def __init__(self, manifest: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]] = ()) -> None:
        asked = [{k: s[k] for k in ("tasks", "episodes_planned") if s.get(k)} for s in sessions]
        self._manifest = {**manifest, **next((found for found in reversed(asked) if found), {})}
        self._sessions = sessions
        manifest = self._manifest
        suite = self._section("suite")
        self.suite = _text(suite.get("name"))
        self.title = _text(suite.get("title"))
        self.policy = _text(self._section("policy").get("name"))
        tasks = manifest.get("tasks") or ()
        listed = tasks if isinstance(tasks, Sequence | Mapping) and not isinstance(tasks, str) else ()
        self.tasks = [_text(task.get("name")) if isinstance(task, Mapping) else _text(task) for task in listed]

    def asked(self, task: str) -> int | None:
        """Episodes planned for a task, or for the whole run if `task` is ""; None if the manifest does not tell.

        ``episodes_planned`` may be a number, which the tasks share equally, or a number for each task.
        """
        planned = self._manifest.get("episodes_planned")
        if isinstance(planned, Mapping):
            numbers = [number for number in planned.values() if isinstance(number, int)]
            number = planned.get(task) if task else sum(numbers)
            return number if isinstance(number, int) else None
        if not isinstance(planned, int):
            return None
        if not task:
            return planned
        share, rest = divmod(planned, len(self.tasks)) if self.tasks else (0, 1)
        return share if task in self.tasks and not rest else None

    def not_real(self) -> tuple[str, ...]:
        """A sentence for everything that is not the real thing."""
        found = []
        policy, env = self._section("policy"), self._section("env")
        if policy.get("not_real"):
            found.append(f"Policy {self.policy or '(unnamed)'}: {_text(policy['not_real']).rstrip('.')}.")
        if policy.get("privileged") is True:
            found.append(f"Policy {self.policy or '(unnamed)'} uses simulator ground truth, which no real policy has.")
        if env.get("not_real"):
            found.append(f"Environment {_text(env.get('name')) or '(unnamed)'}: {_text(env['not_real']).rstrip('.')}.")
        return tuple(found)

    def pictures_differ(self) -> tuple[str, ...]:
        """A sentence if the policy looks at pictures that differ from those of the published numbers."""
        env = self._section("env")
        if not env.get("pictures_differ") or not self._section("policy").get("cameras"):
            return ()
        return (f"Pictures: {_text(env['pictures_differ']).rstrip('.')}.",)

    def provenance(self) -> dict[str, str]:
        """What was run, label → value; only what is known."""
        policy, env, host, protocol = (self._section(key) for key in ("policy", "env", "host", "protocol"))
        facts = {
            "Suite": self.suite,
            "Environment": env.get("name") or self._section("suite").get("env"),
            "Physics": physics_in_words(self._section("physics"), bool(env.get("pictures_differ"))),
            "Policy": self.policy,
            "Checkpoint": policy.get("checkpoint") or ("none" if "checkpoint" in policy else ""),
            "Policy arguments": policy.get("args"),
            "Trained on init states": ", ".join(f"{suite} {states}" for suite, states in trained_on(policy).items()),
            "Seed": self._top("seed"),
        }
        for key, label in _PROTOCOL_LABELS.items():
            if protocol.get(key) is not None:
                facts[label] = _text(protocol[key]) + _UNITS.get(key, "")
        command = self._manifest.get("command")
        gpus = self._machines("gpus") or host.get("gpu") or host.get("gpus")
        seen = bool(self._machines("cpu")) or bool({"gpu", "gpus"} & set(host))
        facts |= {
            "Protocol fingerprint": self.fingerprint(),
            "GPU": gpus or ("none" if seen else ""),
            "CPU": self._machines("cpu") or host.get("cpu"),
            "Rendering": self._of_sessions("prepared") or self._section("gl") or self._top("gl"),
            "Workers": self._of_sessions("options", "workers"),
            "Peak memory of a worker": self._peak_memory(),
            "Created": self._manifest.get("created"),
            "Command": shlex.join(map(str, command)) if isinstance(command, list | tuple) else command,
        }
        return {label: text for label, value in facts.items() if (text := _text(value))}

    def action(self) -> Mapping[str, Any]:
        """The environment's `ActionSpec`: dim, low, high, …; empty if it is not known."""
        action = self._section("env").get("action")
        return action if isinstance(action, Mapping) else {}

    def renderer_note(self) -> tuple[str, ...]:
        """That the run went on under another renderer, if it did."""
        note = renderers.note(self._sessions)
        return (note,) if note else ()

    def fingerprint(self) -> str:
        """The protocol fingerprint as a short hash; "" if there is none."""
        found = self._manifest.get("digest") or self._manifest.get("fingerprint")
        if isinstance(found, Mapping):
            from mmact_eval.runs.fingerprint import digest

            return digest(found)
        return _text(found)

    def versions(self) -> dict[str, str]:
        """Package → version, of the environment and of everything recorded."""
        host = self._section("host")
        packages = host.get("packages")
        found = {
            "python": self._machines("python") or host.get("python"),
            **(packages if isinstance(packages, Mapping) else {}),
        }
        found |= self._section("versions")
        return {_text(name): _text(found[name]) for name in sorted(found, key=str) if _text(found[name])}

    def _peak_memory(self) -> str:
        used = [session["used"] for session in self._sessions if isinstance(session.get("used"), Mapping)]
        peaks = [peak for one in used if isinstance(one.get("peak_memory_mib"), Mapping)
                 for peak in one["peak_memory_mib"].values() if isinstance(peak, int | float)]  # fmt: skip
        return f"{max(peaks) / 1024:.2f} GiB" if peaks else ""

    def _machines(self, key: str) -> str:
        return self._of_sessions("machine", key)

    def _of_sessions(self, *keys: str) -> str:
        """What the sessions say under these keys: each distinct answer once, the latest last, with semicolons."""
        texts: dict[str, None] = {}
        for session in self._sessions:
            value: Any = session
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            text = _text(value)
            texts.pop(text, None)
            texts[text] = None
        return "; ".join(filter(None, texts))

    def _top(self, key: str) -> Any:
        fingerprint = self._manifest.get("fingerprint")
        inner = fingerprint.get(key) if isinstance(fingerprint, Mapping) else None
        return self._manifest.get(key, inner)

    def _section(self, key: str) -> dict[str, Any]:
        """The map under a key, at the top or in the fingerprint; a plain name counts as ``{"name": …}``."""
        fingerprint = self._manifest.get("fingerprint")
        merged: dict[str, Any] = {}
        for holder in (fingerprint, self._manifest):
            part = holder.get(key) if isinstance(holder, Mapping) else None
            if isinstance(part, Mapping):
                merged |= part
            elif isinstance(part, str):
                merged["name"] = part
        return merged


def physics_in_words(physics: Mapping[str, Any], pictures_differ: bool) -> str:
    """``MuJoCo 3.3.7 (published family, changed pictures)``, "" if the fingerprint names none."""
    if not physics.get("engine"):
        return ""
    pictures = ", changed pictures" if pictures_differ else ""
    return f"{physics['engine']} ({physics.get('family', 'unknown')} family{pictures})"


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
