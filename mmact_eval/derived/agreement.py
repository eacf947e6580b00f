"""May runs be put together? Only if they were made of the same, and drawn by the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmact_eval.derived.sources import Source
from mmact_eval.errors import RunFolderError
from mmact_eval.machine.renderers import Renderers
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.earlier_starts import files_read, wrote
from mmact_eval.types import Change


def require_same(sources: Sequence[Source], allow_renderer: bool) -> None:
    """Check that these runs can be one.

    Args:
        sources: at least one.
        allow_renderer: whether their images may be drawn by several renderers.

    Raises:
        RunFolderError: they cannot; says in what they differ.
    """
    first, *others = sources
    for other in others:
        changed = [*_made_differently(first, other), *_read_differently(first, other)]
        if changed:
            lines = "\n".join(f"  - {line}" for line in changed)
            raise RunFolderError(
                f"{first.run.folder} and {other.run.folder} were made differently (the first → the second):\n{lines}\n"
                "Only runs of the same can be one; `mmact-eval compare` sets two beside each other."
            )
    _require_one_renderer(sources, allow_renderer)


def remarks(sources: Sequence[Source]) -> list[str]:
    """What differs between the machines, and may differ: packages of which no result is known to depend."""
    first, *others = sources
    found: dict[str, None] = {}
    for other in others:
        there, now = (dict(source.run.manifest.versions) for source in (first, other))
        for line in provenance.differences(there, now):
            found[f"{first.run.folder} and {other.run.folder} differ in a package: {line}"] = None
    return list(found)


def _made_differently(first: Source, other: Source) -> list[Change]:
    """Differences of the fingerprints, without what the policy itself has written, which may be at different stages."""
    outputs = [wrote(source.run.folder) for source in (first, other)]
    names = {part: outputs[0].get(part, set()) | outputs[1].get(part, set()) for part in ("code", "paths")}
    there, now = (_without(source.run.fingerprint, names) for source in (first, other))
    return provenance.differences(there, now)


def _without(print_: Mapping[str, Any], names: Mapping[str, Collection[str]]) -> dict[str, Any]:
    policy = print_.get("policy")
    if not isinstance(policy, Mapping):
        return dict(print_)
    kept = {
        part: {name: content for name, content in value.items() if name not in names[part]}
        if part in names and isinstance(value, Mapping)
        else value
        for part, value in policy.items()
    }
    return {**print_, "policy": kept}


def _read_differently(first: Source, other: Source) -> list[Change]:
    """Files that both policies read while they acted, and that were not the same."""
    there, now = (files_read(source.run.folder) for source in (first, other))
    common = there.keys() & now.keys()
    return provenance.differences(
        {name: there[name] for name in sorted(common)}, {name: now[name] for name in sorted(common)}, "policy.code."
    )


def _require_one_renderer(sources: Sequence[Source], allowed: bool) -> None:
    first, *others = sources
    looks = bool(first.run.manifest.made_with.policy_cameras)
    seen = Renderers(first.run.folder, [session.prepared for session in first.run.sessions], looks and not allowed)
    for other in others:
        for session in other.run.sessions:
            seen.see(session.prepared)
