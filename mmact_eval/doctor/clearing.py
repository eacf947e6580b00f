"""Removes what environments keep on disk and can make again."""

from __future__ import annotations

from collections.abc import Iterator

from mmact_eval import registry
from mmact_eval.errors import MmactEvalError
from mmact_eval.optional import KeepsCache


def clear_caches() -> Iterator[str]:
    """Clear the caches of all environments that are ready.

    Yields:
        What was removed, a line for each environment.

    Raises:
        OSError: something could not be removed.
        UsageError: there is no place for caches here.
    """
    for listed in registry.listing(registry.ENVS):
        try:
            plugin = registry.env_plugin(listed.name)
        except MmactEvalError:  # not installed, or broken, of which `doctor` tells
            continue
        removed = plugin.clear_cache() if isinstance(plugin, KeepsCache) else ""
        if removed:
            yield f"{listed.name}: {removed}"
