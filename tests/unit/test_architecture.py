"""Dependencies point one way, starting is cheap, and wheels contain everything."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAMILIES = ("envs", "policies", "reports", "suites")
SIMULATORS_AND_MODELS = {"torch", "mujoco", "robosuite", "libero", "sapien"}
HEAVY = {"pandas", "scipy", "matplotlib", "numba", "cv2", "gymnasium", "imageio", *SIMULATORS_AND_MODELS}


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    """Dotted names a module imports, also inside functions; relative ones made absolute."""
    package = module_name(path.parent)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parent, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "mmact_eval" else ("mmact_eval", *parts))


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", modules("mmact_eval"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_imports_no_plug_in_and_no_simulator(path: Path) -> None:
    forbidden = {*(f"mmact_eval.{family}" for family in FAMILIES), *SIMULATORS_AND_MODELS}
    assert not [name for name in imports(path) if any(within(name, package) for package in forbidden)]


@pytest.mark.parametrize("family", ["envs", "policies", "reports"])
def test_plug_ins_of_one_family_do_not_import_another(family: str) -> None:
    others = [f"mmact_eval.{other}" for other in FAMILIES if other != family]
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(family)
        for name in imports(path)
        if any(within(name, other) for other in others)
    ]
    assert not wrong


@pytest.mark.parametrize("family", ["envs", "policies"])
def test_plug_ins_of_a_family_do_not_import_each_other(family: str) -> None:
    wrong = []
    for path in modules(family):
        own = module_name(path.with_suffix("")).split(".")[2]
        for name in imports(path):
            other = name.split(".")[2:3]
            if (
                within(name, f"mmact_eval.{family}")
                and other
                and other[0] != own
                and (ROOT / family / other[0]).is_dir()
            ):
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong


@pytest.mark.parametrize(
    "statement",
    [
        "import mmact_eval",
        "import mmact_eval.cli",
        "from mmact_eval.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "from mmact_eval.suite import list_suites; list_suites()",
    ],
)
def test_starting_loads_nothing_heavy(statement: str, tmp_path: Path) -> None:
    code = f"{statement}\nimport sys, json; print('\\n' + json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY


def test_listing_environments_and_policies_imports_no_simulator(tmp_path: Path) -> None:
    code = (
        "from mmact_eval import registry\n"
        "for group in (registry.ENVS, registry.POLICIES, registry.REPORTS): registry.listing(group)\n"
        "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not set(json.loads(done.stdout.splitlines()[-1])) & SIMULATORS_AND_MODELS


def setuptools_config() -> dict[str, dict[str, object]]:
    toml = pytest.importorskip("tomllib", reason="Python 3.11 or newer")
    config: dict[str, dict[str, object]] = toml.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    return config


def test_every_folder_with_python_files_is_in_the_wheel() -> None:
    folders = {path.parent for folder in ("mmact_eval", *FAMILIES) for path in modules(folder)}
    assert {module_name(folder) for folder in folders} == set(setuptools_config()["packages"])


def test_every_suite_is_in_the_wheel() -> None:
    patterns = setuptools_config()["package-data"]["mmact_eval.suites"]
    assert isinstance(patterns, list)
    for path in (ROOT / "suites").rglob("*"):
        if path.suffix in (".yaml", ".yml"):
            relative = path.relative_to(ROOT / "suites").as_posix()
            assert any(fnmatch(relative, pattern) for pattern in patterns), relative


def test_the_folders_are_importable_as_parts_of_the_package_only(tmp_path: Path) -> None:
    code = (
        "import importlib, importlib.util as util\n"
        f"for family in {FAMILIES!r}:\n"
        "    assert util.find_spec(family) is None, family\n"
        "    importlib.import_module(f'mmact_eval.{family}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
