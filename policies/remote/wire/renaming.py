"""``rename``: other names for the keys of a request, for servers that want an observation under their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.policies.remote.wire.layouts import Layout


class Renaming:
    """Checked once, applied to every request.

    Attributes:
        keys: key of the request → its new name, or None to leave it out.
    """

    def __init__(self, given: object, layout: Layout) -> None:
        """
        Args:
            given: as typed; None for no change.
            layout: whose requests are changed.

        Raises:
            UsageError: it is no map of names, names a key that no request has, or gives two keys one name.
        """
        known = layout.keys
        if given is not None and not isinstance(given, Mapping):
            raise UsageError(f'policy openpi: rename must be a map such as {{"{known[-1]}": "task"}}, got {given!r}')
        self.keys: dict[str, str | None] = {}
        for key, name in (given or {}).items():
            if key not in known:
                raise UsageError(
                    f"policy openpi: rename: requests of preset {layout.name} have no key {key!r}; they have: "
                    f"{', '.join(known)}.{did_you_mean(str(key), known)}"
                )
            if name is not None and (not isinstance(name, str) or not name):
                raise UsageError(f'policy openpi: rename: "{key}" must become a name or null, not {name!r}')
            self.keys[key] = name
        self._check_no_two_alike(known)

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request under the new names."""
        renamed = {self.keys.get(key, key): value for key, value in request.items()}
        return {key: value for key, value in renamed.items() if key is not None}

    def _check_no_two_alike(self, known: tuple[str, ...]) -> None:
        taken: dict[str, str] = {}
        for key in known:
            name = self.keys.get(key, key)
            if name is not None and name in taken:
                raise UsageError(
                    f'policy openpi: rename: "{taken[name]}" and "{key}" would both be sent as "{name}", and one of '
                    "them be lost; give them two names, or leave one out with null"
                )
            if name is not None:
                taken[name] = key
