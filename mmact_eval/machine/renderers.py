"""Which renderers drew a run's images. Two of them draw pixels that differ a little, which may change what is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError


class Renderers:
    """The renderers that a run has met, so that another one does not join them unnoticed."""

    def __init__(self, folder: Path, earlier: Iterable[Mapping[str, Any]], strict: bool) -> None:
        """
        Args:
            folder: the run's, for messages.
            earlier: what workers had chosen in the starts whose episodes are kept.
            strict: whether all images have to be drawn by one renderer.
        """
        self._folder = folder
        self._strict = strict
        self._known = drawn_by(earlier)
        self._earlier = len(self._known)

    def see(self, prepared: Mapping[str, str]) -> bool:
        """Take note of what a worker has chosen.

        Returns:
            Whether it is a renderer that was not known yet.

        Raises:
            RunFolderError: it is one that must not join those known.
        """
        now = in_words(prepared)
        if not now or now in self._known:
            return False
        if self._known and self._strict:
            there = f"{self._folder} holds episodes drawn by" if self._earlier else "another worker draws with"
            raise RunFolderError(
                f"Images would be drawn by two renderers: {there} {' and '.join(self._known)}, this one with {now}. "
                "Their pixels differ a little, and so may what the policy does. Run on GPUs of one kind "
                "(CUDA_VISIBLE_DEVICES, MUJOCO_GL), choose another folder with --out, or continue anyway with "
                "--allow-renderer; the tables will say so."
            )
        self._known.append(now)
        return True


def drawn_by(prepared: Iterable[Mapping[str, Any]]) -> list[str]:
    """The renderers that workers have chosen, in words, each once, in the order in which they came."""
    return [text for text in dict.fromkeys(map(in_words, prepared)) if text]


def in_words(prepared: Mapping[str, Any]) -> str:
    """``NVIDIA RTX A6000 (gl: egl)``: whatever a worker has chosen but the device's number; "" for nothing."""
    chosen = {key: str(value) for key, value in prepared.items() if key != "device" and value}
    name = chosen.pop("renderer", "")
    others = ", ".join(f"{key}: {value}" for key, value in chosen.items())
    return f"{name} ({others})" if name and others else name or others


def note(prepared: Iterable[Mapping[str, Any]]) -> str:
    """What a table has to say about a run that was allowed to go on under another renderer; "" if it did not."""
    found = drawn_by(prepared)
    if len(found) < 2:
        return ""
    return (
        f"Images were drawn by {len(found)} renderers ({'; '.join(found)}), as --allow-renderer allowed: their pixels "
        "differ a little, and so may what the policy did."
    )
