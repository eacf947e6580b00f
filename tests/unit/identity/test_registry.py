"""Policies by name, module or file; a wrong one is answered with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmact_eval import registry
from mmact_eval.errors import UsageError
from mmact_eval.specs import ActionSpec, EnvSpec

SPEC = EnvSpec("toy", {}, "", {}, ActionSpec(2, "position_delta"))

FILE = """
import numpy as np
from mmact_eval import PolicyOutput, PolicySpec

class Mine:
    def __init__(self, env_spec, gain=1.0):
        self.gain = gain
        self.spec = PolicySpec("mine", env_spec.action, chunk=1)
    def reset(self, episodes): ...
    def act(self, queries):
        return [PolicyOutput(np.zeros((1, 2), np.float32)) for _ in queries]

def broken(): raise RuntimeError("no weights here")
def not_a_policy(): return 42
def greedy(size): ...
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_policy.py"
    path.write_text(FILE)
    return path


def test_a_class_in_a_file_gets_its_arguments_and_the_environments_spec(file: Path) -> None:
    policy = registry.make_policy(f"{file}:Mine", {"gain": 3}, SPEC).policy
    assert policy.gain == 3  # type: ignore[attr-defined]
    assert policy.spec.action.dim == 2


@pytest.mark.parametrize(
    ("attribute", "args", "says"),
    [
        ("Mien", {}, 'Did you mean "Mine"'),
        ("Mine", {"gian": 1}, 'Did you mean "gain"'),
        ("broken", {}, "no weights here"),
        ("not_a_policy", {}, "no policy"),
        ("greedy", {}, "--policy-args size="),
    ],
)
def test_what_is_wrong_in_a_file_is_said(file: Path, attribute: str, args: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        registry.make_policy(f"{file}:{attribute}", args, SPEC)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("rnadom", 'Did you mean "random"'),
        ("missing.py:make", "no file"),
        ("policy.py", "say what in it"),
        ("no_such_module_here:make", "cannot import"),
        ("json:dumpz", 'or "dumps"'),
        ("gopher://host:8000", "no policy for such addresses"),
    ],
)
def test_a_target_that_does_not_exist(target: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        registry.make_policy(target, {}, SPEC)


def test_an_unknown_environment_names_the_known() -> None:
    with pytest.raises(UsageError, match="libero"):
        registry.env_plugin("libro")


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = registry.env_plugin("toy")
    monkeypatch.setattr(type(plugin), "requires", ("surely_not_installed",), raising=False)
    monkeypatch.setattr(type(plugin), "extra", "libero", raising=False)
    with pytest.raises(UsageError, match=r"surely_not_installed.*mmact-eval\[libero\]"):
        registry.env_plugin("toy")


def test_a_package_that_does_not_fit_the_others_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        extras = ()
        dist = None

        def load(self) -> None:
            raise ImportError("pyarrow requires NumPy 2.0 or newer")

    monkeypatch.setattr(registry, "_points", lambda group: {"replay": Point()})
    with pytest.raises(UsageError, match=r"cannot be imported: pyarrow requires NumPy 2\.0"):
        registry._load(registry.POLICIES, "replay")


def test_a_wrapper_that_shows_another_policy_through_is_a_policy(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from mmact_eval import registry\n"
        "def make(env_spec): return registry.make_policy('noop', {'chunk': 3}, env_spec)  # a MadePolicy\n"
    )
    assert registry.make_policy(f"{file}:make", {}, SPEC).policy.spec.chunk == 3
