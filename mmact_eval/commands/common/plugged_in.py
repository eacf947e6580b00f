"""What a command of a plug-in says of itself, read from its source: importing them all would make ``--help`` slow.

`mmact_eval.identity.code_files` parses sources too, but asks what they import, of all files that belong together, and
only where top-level modules are; here it is one docstring of a module deep in a package.
"""

from __future__ import annotations

import ast
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from pathlib import Path


def said_of(point: EntryPoint) -> str:
    """The first line of the docstring of the function that an entry point names; where it is, if it has none."""
    spec = _spec(point.module)
    try:
        tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8")) if spec else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        tree = ast.Module([], [])
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == point.attr:
            return (ast.get_docstring(node) or "").partition("\n")[0] or f"See {point.module}."
    return f"See {point.module}."


def _spec(module: str) -> ModuleSpec | None:
    """Where a module is; neither it nor the packages that it is in are imported."""
    spec: ModuleSpec | None = None
    path = None
    parts = module.split(".")
    for number in range(1, len(parts) + 1):
        name = ".".join(parts[:number])
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((one for one in found if one is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec
