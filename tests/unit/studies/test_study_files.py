"""Studies: the package's own, and what a person sees who writes one wrong."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from mmact_eval.errors import UsageError
from mmact_eval.studies.arms import Asked, plan
from mmact_eval.studies.study_file import StudyFile, list_studies, load_study

HEAD = "name: mine\nbase: {suite: toy, policy: toy, policy_args: {chunk: 8}}\n"


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return str(path)


def refused(tmp_path: Path, text: str, asked: Asked | None = None) -> list[str]:
    """The lines of the message, without the folder."""
    with pytest.raises(UsageError) as caught:
        plan(load_study(write(tmp_path, text)), asked or Asked(), tmp_path)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_the_packages_studies_can_be_planned_and_are_named_after_their_files() -> None:
    names = {file.study.name: [arm.name for arm in plan(file, Asked()).arms] for file in list_studies()}
    assert sorted(names) == [
        "action-bins", "cameras", "decode-steps", "disturbance", "families", "latency", "modality", "modality-seeds",
        "realtime", "renderer", "replan",
    ]  # fmt: skip
    assert names["disturbance"] == [f"{world}-every-{n}" for world in ("still", "moved") for n in (1, 5, 10)]
    for name in names:
        assert load_study(name).study.name == name


@pytest.mark.parametrize("file", list_studies(), ids=lambda file: file.study.name)
def test_the_packages_studies_ask_policies_for_nothing_they_do_not_have(file: StudyFile) -> None:
    for arm in plan(file, Asked()).arms:
        [point] = entry_points(group="mmact_eval.policies", name=arm.request.policy)
        factory = point.load()
        parameters = inspect.signature(factory).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            factory(**arm.request.policy_args)  # it checks them itself
        else:
            assert set(arm.request.policy_args) <= set(parameters), f"arm {arm.name}"


def test_an_unknown_study_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r'Did you mean "latency".*`mmact-eval list studies`'):
        load_study("latencies")


def test_all_errors_of_a_file_are_reported_with_line_and_field(tmp_path: Path) -> None:
    text = (
        "name: mine\n"
        "base:\n"
        "  suite: toy\n"
        "  polcy: toy\n"
        "arms:\n"
        "  a: {}\n"
        "  b:\n"
        "    transforms:\n"
        "      - quantise: {bins: 4}\n"
        "      - quantize: {bins: 1}\n"
        "      - delay: {stepz: 1}\n"
        "  c/d: {}\n"
    )
    lines = refused(tmp_path, text)
    assert lines[0] == "s.yaml:2: base.policy: required field is missing; it must be text"
    assert 's.yaml:4: base.polcy: unknown field. Did you mean "policy" or "policy_args"?' in lines
    assert 's.yaml:9: arms.b.transforms[0].quantise: unknown field. Did you mean "quantize"?' in lines
    assert "s.yaml:10: arms.b.transforms[1].quantize.bins: must be an integer ≥ 2 and ≤ 65536, not 1" in lines
    assert 's.yaml:11: arms.b.transforms[2].delay.stepz: unknown field. Did you mean "steps"?' in lines
    assert any(line.startswith("s.yaml:12: arms.c/d") for line in lines)


def test_an_arms_protocol_is_checked_as_a_suite_is_and_the_line_is_the_studys(tmp_path: Path) -> None:
    text = HEAD + "arms:\n  a: {}\n  b:\n    protocol:\n      max_stepz: 3\n"
    assert refused(tmp_path, text)[0] == 's.yaml:7: protocol.max_stepz: unknown field. Did you mean "max_steps"?'
    text = HEAD + "arms:\n  b:\n    protocol: {disturbance: {metres: 0.1, first_step: 9, last_step: 3}}\n"
    assert refused(tmp_path, text) == ["s.yaml:5: protocol.disturbance: last_step (3) comes before first_step (9)"]


def test_an_arms_env_args_are_laid_over_the_suites_and_may_differ_in_the_report(tmp_path: Path) -> None:
    text = HEAD + "arms:\n  a: {}\n  b: {env_args: {step_seconds: 0.5}, protocol: {max_steps: 9}}\n"
    planned = plan(load_study(write(tmp_path, text)), Asked(), tmp_path)
    plain, changed = (dict(arm.request.suite.env_args) for arm in planned.arms)
    assert changed == {**plain, "step_seconds": 0.5}
    assert planned.arms[1].request.suite.protocol.max_steps == 9
    assert set(planned.allow) == {"protocol.max_steps", "protocol.replan", "suite.env_args.step_seconds"}


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "s.yaml:1: a study has either arms or axes"),
        ("arms: {a: {}}\naxes: {x: {b: {}}}\n", "s.yaml:1: a study has either arms or axes"),
        ("axes: {x: {}}\n", "s.yaml:1: axes without values: x"),
        ("arms: {first: {}, second: {}}\nbaseline: firts\n", 's.yaml:4: baseline: there is no arm "firts". Did you'),
        ("arms: {a: {label: x}, b: {label: x}}\n", 's.yaml:3: arms: two arms have the label "x"'),
    ],
)
def test_what_makes_no_study_is_refused(tmp_path: Path, rest: str, message: str) -> None:
    assert refused(tmp_path, HEAD + rest)[0].startswith(message)


def test_an_unknown_arm_or_suite_on_the_command_line_is_refused(tmp_path: Path) -> None:
    text = HEAD + "arms: {first: {}, second: {}}\n"
    assert 'no arm "secnd". Did you mean "second"?' in refused(tmp_path, text, Asked(arms=["secnd"]))[0]
    assert 'Did you mean "toy"' in refused(tmp_path, text, Asked(suite="toys"))[0]


def test_what_is_typed_replaces_the_base_and_the_arm_has_the_last_word(tmp_path: Path) -> None:
    file = load_study(
        write(
            tmp_path,
            "name: mine\n"
            "base: {suite: toy, policy: toy, policy_args: {chunk: 8}, protocol: {max_steps: 30}, episodes: 3}\n"
            "arms:\n  a: {}\n  b: {policy_args: {chunk: 2}, protocol: {max_steps: 20}}\n  c: {policy: noop}\n",
        )
    )
    own = plan(file, Asked(), tmp_path).arms
    assert [arm.request.policy_args for arm in own] == [{"chunk": 8}, {"chunk": 2}, {}]
    assert [arm.request.suite.protocol.max_steps for arm in own] == [30, 20, 30]
    typed = plan(file, Asked(policy="random", episodes=7, seed=3, policy_args={"cameras": "all"}), tmp_path).arms
    assert [arm.request.policy for arm in typed] == ["random", "random", "noop"]
    assert [arm.request.policy_args for arm in typed] == [{"cameras": "all"}, {"cameras": "all", "chunk": 2}, {}]
    assert {(arm.request.episodes, arm.request.seed) for arm in typed} == {(7, 3)}


def test_a_grid_has_all_combinations_and_its_protocols_are_merged(tmp_path: Path) -> None:
    text = HEAD + (
        "axes:\n"
        "  steps: {short: {protocol: {max_steps: 9}}, long: {protocol: {max_steps: 50}}}\n"
        "  bins: {fine: {label: all bins}, coarse: {transforms: [{delay: {steps: 4}}], protocol: {settle_steps: 0}}}\n"
        "baseline: long-fine\n"
    )
    planned = plan(load_study(write(tmp_path, text)), Asked(), tmp_path)
    assert [(arm.name, arm.label) for arm in planned.arms] == [
        ("short-fine", "short, all bins"),
        ("short-coarse", "short, coarse"),
        ("long-fine", "long, all bins"),
        ("long-coarse", "long, coarse"),
    ]
    protocol = planned.arms[3].request.suite.protocol
    assert (protocol.max_steps, protocol.settle_steps) == (50, 0)
    assert planned.chosen == ("long-fine", "short-fine", "short-coarse", "long-coarse")
    assert planned.allow == ["protocol.max_steps", "protocol.replan", "protocol.settle_steps"]
