"""The files of the page, which are data of the package."""

from __future__ import annotations

from importlib import resources


def page_file(name: str) -> str:
    """``index.html``, ``view.css`` or ``view.js``."""
    return (resources.files("mmact_eval.view") / "page" / name).read_text(encoding="utf-8")
