"""Dependencies point one way, rooms stay small, starting is cheap, and wheels contain everything."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAMILIES = ("envs", "policies", "reports", "suites")
SHARED_ROOMS: dict[str, set[str]] = {"policies": {"llada"}, "envs": set()}
"""Folders of a family that several of its plug-ins may use, and that use none of them: a family of models, say."""

SIMULATORS_AND_MODELS = {"torch", "mujoco", "robosuite", "libero", "sapien"}
HEAVY = {"pandas", "scipy", "matplotlib", "numba", "cv2", "gymnasium", "imageio", *SIMULATORS_AND_MODELS}

ALLOWED_BY_NAME = {
    # Suites and studies are data of the package; the engine finds their folder by name.
    "mmact_eval/config/suite_file.py": {"mmact_eval.suites"},
    "mmact_eval/studies/study_file.py": {"mmact_eval.suites"},
    # The groups of entry points are called after packages.
    "mmact_eval/registry.py": {"mmact_eval.commands", *(f"mmact_eval.{family}" for family in FAMILIES)},
    "mmact_eval/commands/list.py": {f"mmact_eval.{family}" for family in FAMILIES},
    # A fresh process, which starts from the plug-in as a user would.
    "envs/libero/checks/examine.py": {"mmact_eval.envs.libero.checks.trial"},
}
"""Modules that a file may name in a string although it may not import them, and why."""

ENGINES = ("local", "ray")
ENTRIES = 16
LINES = 400
FRONT_DOORS = {"mmact_eval", "tests/unit"}
"""Of these the files are counted and not the rooms; tests/unit has the rooms of mmact_eval."""

ModuleGraph = Mapping[str, set[str]]


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "mmact_eval" else ("mmact_eval", *parts))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Dotted names a module imports, also inside functions and for types alone; relative ones made absolute.

    Names in strings count too, be they handed to `import_module` or run as code in another process, unless they are
    in `ALLOWED_BY_NAME` or in a docstring.
    """
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    allowed = ALLOWED_BY_NAME.get(relative(path), set())
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parent, *([node.module] if node.module else [])])
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            named = re.findall(r"\bmmact_eval(?:\.[a-z_]\w*)+", node.value)
            found += [name for name in named if name not in allowed]
    return tuple(found)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@functools.cache
def file_graph() -> ModuleGraph:
    """Module → modules of ours it imports. `from package import module` is an import of the module, not the package."""
    paths = {module_name(path): path for folder in ("mmact_eval", *FAMILIES) for path in modules(folder)}
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        wanted = set(imports(path))
        packages = {
            one for one in wanted if any(other != one and within(other, one) for other in wanted & paths.keys())
        }
        graph[name] = (wanted & paths.keys()) - packages - {name}
    return graph


def circles(graph: ModuleGraph) -> list[tuple[str, ...]]:
    """Groups of nodes each of which leads to each other one."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for after in graph.get(todo.pop(), ()):
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return seen

    reach = {node: reached(node) for node in graph}
    return sorted({tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]})


def grouped(graph: ModuleGraph, group: Callable[[str], str]) -> ModuleGraph:
    rooms: dict[str, set[str]] = {}
    for name, wanted in graph.items():
        rooms.setdefault(group(name), set()).update(group(other) for other in wanted if group(other) != group(name))
    return rooms


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(file_graph()) == []


def test_no_rooms_of_the_engine_import_each_other_in_a_circle() -> None:
    engine = {
        name: wanted for name, wanted in file_graph().items() if name.split(".")[1:2] not in [[f] for f in FAMILIES]
    }
    del engine["mmact_eval"]  # the door: names are looked up where they live when somebody asks
    assert circles(grouped(engine, lambda name: ".".join(name.split(".")[:2]))) == []


@pytest.mark.parametrize("path", modules("mmact_eval"), ids=relative)
def test_the_engine_imports_no_plug_in_and_no_simulator(path: Path) -> None:
    forbidden = {*(f"mmact_eval.{family}" for family in FAMILIES), *SIMULATORS_AND_MODELS}
    assert not [name for name in imports(path) if any(within(name, package) for package in forbidden)]


def test_what_every_engine_does_knows_of_none() -> None:
    of_one = {
        module_name(path) for path in modules("mmact_eval/engine") if path.relative_to(ROOT).parts[2] not in ENGINES
    }
    theirs = {
        name: [
            other for engine in ENGINES for other in file_graph()[name] if within(other, f"mmact_eval.engine.{engine}")
        ]
        for name in of_one
    }
    assert not {name: others for name, others in theirs.items() if others}


def test_nothing_but_its_engine_and_its_tests_imports_ray() -> None:
    paths = [path for folder in ("mmact_eval", *FAMILIES) for path in modules(folder)]
    using = {relative(path.parent) for path in paths if any(within(name, "ray") for name in imports(path))}
    assert using <= {"mmact_eval/engine/ray", "mmact_eval/engine/ray/node"}


@pytest.mark.parametrize("family", ["envs", "policies", "reports"])
def test_plug_ins_of_one_family_do_not_import_another(family: str) -> None:
    others = [f"mmact_eval.{other}" for other in FAMILIES if other != family]
    wrong = [
        f"{relative(path)}: {name}"
        for path in modules(family)
        for name in imports(path)
        if any(within(name, other) for other in others)
    ]
    assert not wrong


def imports_of_others(
    family: str, names: Mapping[Path, tuple[str, ...]], shared: set[str], folders: set[str]
) -> list[str]:
    """Where a plug-in imports another of its family, or a shared room a plug-in."""
    wrong = []
    for path, imported in names.items():
        own = path.relative_to(ROOT / family).parts[0]
        for name in imported:
            other = name.split(".")[2] if within(name, f"mmact_eval.{family}") and name.count(".") > 1 else own
            if other != own and other in folders and other not in shared:
                wrong.append(f"{relative(path)}: {name}")
    return wrong


@pytest.mark.parametrize("family", ["envs", "policies"])
def test_plug_ins_of_a_family_import_no_other_but_its_shared_rooms(family: str) -> None:
    folders = {path.name for path in (ROOT / family).iterdir() if path.is_dir()}
    assert SHARED_ROOMS[family] <= folders
    names = {path: imports(path) for path in modules(family)}
    assert not imports_of_others(family, names, SHARED_ROOMS[family], folders)


def test_a_shared_room_may_be_imported_by_plug_ins_and_imports_none() -> None:
    room, plug_in = ROOT / "policies/llada/decoding.py", ROOT / "policies/mmact/model.py"
    names = {
        plug_in: ("mmact_eval.policies.llada.decoding",),
        room: ("mmact_eval.policies.mmact.prompts",),
    }
    wrong = imports_of_others("policies", names, {"llada"}, {"llada", "mmact"})
    assert wrong == ["policies/llada/decoding.py: mmact_eval.policies.mmact.prompts"]
    assert len(imports_of_others("policies", names, set(), {"llada", "mmact"})) == 2


def tracked_folders() -> Iterator[tuple[str, set[str]]]:
    """Folders of code, suites and docs with what lies in them; folders end in ``/``."""
    inside: dict[str, set[str]] = {}
    for top in ("mmact_eval", *FAMILIES, "tests", "benchmarks", "scripts"):
        for path in (ROOT / top).rglob("*"):
            if (
                path.suffix in (".py", ".yaml", ".sh", ".json", ".csv", ".jinja", ".js", ".css")
                and "__pycache__" not in path.parts
            ):
                parts = path.relative_to(ROOT).parts
                for depth in range(1, len(parts)):
                    inside.setdefault("/".join(parts[:depth]), set()).add(parts[depth] + "/" * (depth < len(parts) - 1))
    yield from sorted(inside.items())


def test_no_folder_has_more_entries_than_one_sees_at_once() -> None:
    too_many = {}
    for folder, inside in tracked_folders():
        counted = {entry for entry in inside if not (folder in FRONT_DOORS and entry.endswith("/"))}
        if len(counted) > ENTRIES:
            too_many[folder] = len(counted)
    assert too_many == {}


def test_every_file_can_be_read_in_a_sitting() -> None:
    paths = [path for folder in ("mmact_eval", *FAMILIES, "benchmarks") for path in modules(folder)]
    long = {relative(path): lines for path in paths if (lines := path.read_text().count("\n")) > LINES}
    assert long == {}


def test_unit_tests_have_the_rooms_of_the_engine() -> None:
    rooms = {path.name for path in (ROOT / "mmact_eval").iterdir() if (path / "__init__.py").is_file()}
    tested = {path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert tested <= rooms | set(FAMILIES)


@pytest.mark.parametrize(
    "statement",
    [
        "import mmact_eval",
        "import mmact_eval.cli",
        "from mmact_eval.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "from mmact_eval.config.suite_file import list_suites; list_suites()",
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
            name = path.relative_to(ROOT / "suites").as_posix()
            assert any(fnmatch(name, pattern) for pattern in patterns), name


def test_the_folders_are_importable_as_parts_of_the_package_only(tmp_path: Path) -> None:
    code = (
        "import importlib, importlib.util as util\n"
        f"for family in {FAMILIES!r}:\n"
        "    assert util.find_spec(family) is None, family\n"
        "    importlib.import_module(f'mmact_eval.{family}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
