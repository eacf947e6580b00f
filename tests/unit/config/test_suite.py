"""Suites: the package's own, and what a person sees who writes one wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.config.suite_file import canonical, list_suites, load_suite
from mmact_eval.errors import UsageError
from mmact_eval.suite import Suite

LIMITS = {"libero-spatial": 220, "libero-object": 280, "libero-goal": 300, "libero-long": 520, "libero-90": 400}
MINIMAL = "name: mine\nenv: libero\nprotocol:\n  max_steps: 7\n"


def refused(path: Path, *overrides: str) -> list[str]:
    """The lines of the message, without the folder."""
    with pytest.raises(UsageError) as caught:
        load_suite(str(path), overrides)
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def test_libero_suites_follow_the_published_protocol() -> None:
    for name, max_steps in LIMITS.items():
        protocol = load_suite(name).protocol
        assert (protocol.max_steps, protocol.settle_steps, protocol.episodes) == (max_steps, 10, 50)
        assert (protocol.cameras, protocol.resolution, protocol.rotation) == (("agentview", "wrist"), 256, 180)
        assert (protocol.replan, protocol.seed_mode) == (None, "episode")


def test_pro_suites_differ_from_their_originals_in_the_scenes_only() -> None:
    for base in ("libero-spatial", "libero-object", "libero-goal", "libero-long"):
        original = load_suite(base)
        for variant in ("lan", "object", "swap", "task"):
            suite = load_suite(f"{base}-{variant}")
            assert suite.protocol == original.protocol
            assert suite.env_args == {
                "benchmark": f"{original.env_args['benchmark']}_{variant}",
                "instruction": "bddl",
            }


def test_list_puts_originals_before_their_variants() -> None:
    libero = [suite.name for suite in list_suites() if suite.env == "libero"]
    assert set(libero[:6]) == {*LIMITS, "libero-conditional"}
    assert len(libero) == 23


def test_every_name_and_alias_leads_to_one_suite_and_files_are_named_after_theirs() -> None:
    owner: dict[str, str] = {}
    for suite in list_suites():
        assert load_suite(suite.name) == suite
        for name in (suite.name, *suite.aliases):
            assert owner.setdefault(canonical(name), suite.name) == suite.name, f"{name} names two suites"
            assert load_suite(name).name == suite.name


@pytest.mark.parametrize("name", ["libero_10", "libero-10", "LIBERO-Long", "Libero_10"])
def test_names_are_found_in_any_spelling(name: str) -> None:
    assert load_suite(name).name == "libero-long"


def test_an_unknown_name_gets_a_suggestion_and_the_command_that_lists() -> None:
    with pytest.raises(UsageError, match=r'Did you mean "libero-object".*`mmact-eval list suites`'):
        load_suite("libero-objekt")


def test_all_errors_of_a_file_are_reported_at_once_with_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(
        "name: Foo\n"
        "env: libero\n"
        "tasks: [a, b, a]\n"
        "protocol:\n"
        "  max_stepz: 100\n"
        "  max_steps: many\n"
        "  episodes: '50'\n"
        "  cameras:\n"
        "    - agentview\n"
        "    - 3\n"
        "  rotation: 45\n"
        "  replan: true\n"
    )
    assert refused(path) == [
        "foo.yaml:1: name: must be text of lower-case letters, digits, dots and hyphens, not 'Foo'",
        "foo.yaml:3: tasks: named twice: a",
        'foo.yaml:5: protocol.max_stepz: unknown field. Did you mean "max_steps"?',
        "foo.yaml:6: protocol.max_steps: must be an integer ≥ 1, not 'many'",
        "foo.yaml:7: protocol.episodes: must be an integer ≥ 1, not '50'",
        "foo.yaml:10: protocol.cameras[1]: must be text, not 3",
        "foo.yaml:11: protocol.rotation: must be one of 0, 90, 180, 270, not 45",
        "foo.yaml:12: protocol.replan: must be an integer ≥ 1 or null, not true",
    ]


def test_a_missing_field_is_named_with_the_line_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text("name: mine\n\nprotocol:\n  episodes: 3\n")
    assert refused(path) == [
        "foo.yaml:1: env: required field is missing; it must be text",
        "foo.yaml:3: protocol.max_steps: required field is missing; it must be an integer ≥ 1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nenv: [\n", "foo.yaml:3: not valid YAML"),
        ("name: a\nname: b\n", "foo.yaml:2: name: stands here twice, first in line 1"),
        ("name: a\nprotocol: {max_steps: 1, max_steps: 2}\n", "foo.yaml:2: protocol.max_steps: stands here twice"),
        ("name: a\n3: b\n", "foo.yaml:2: 3: a field's name must be text"),
        ("name: a\nenv_args: &x {inner: *x}\n", "foo.yaml:2: env_args.inner: contains itself"),
        ("name: a\nenv: !!python/object:os.system x\n", "foo.yaml:2: not valid YAML"),
        ("", "foo.yaml:1: must be a map of fields"),
        ("- a\n", "foo.yaml:1: must be a map of fields"),
    ],
)
def test_what_is_no_suite_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(text)
    assert refused(path)[0].startswith(message)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == ["none.yaml: there is no such file"]
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    assert refused(tmp_path / "latin.yaml") == ["latin.yaml: not a text file in UTF-8"]


def test_overrides_change_fields_and_make_the_maps_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(MINIMAL)
    suite = load_suite(
        str(path),
        [
            "protocol.max_steps=100",
            "protocol.cameras=[left, right]",
            "env_args.fault.kind=raise",
            "protocol.replan=null",
        ],
    )
    assert suite.protocol.max_steps == 100
    assert suite.protocol.cameras == ("left", "right")
    assert suite.env_args == {"fault": {"kind": "raise"}}
    assert load_suite(str(path)).protocol.max_steps == 7


def test_a_map_changes_the_fields_it_names_and_an_empty_one_empties(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(MINIMAL + "env_args: {benchmark: x, k: {a: 1, b: 2}}\n")
    kept = load_suite(str(path)).protocol
    for suite in (
        load_suite(str(path), ["protocol={resolution: 64}", "env_args={k: {b: 3}}"]),
        load_suite(str(path), changes={"protocol": {"resolution": 64}, "env_args": {"k": {"b": 3}}}),
    ):
        assert suite.protocol == kept.model_copy(update={"resolution": 64})
        assert suite.env_args == {"benchmark": "x", "k": {"a": 1, "b": 3}}
    assert load_suite(str(path), ["env_args={}"]).env_args == {}


def test_what_is_wrong_in_a_map_that_was_typed_is_named_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(MINIMAL.replace("max_steps: 7", "max_steps: 0"))
    assert refused(path, "protocol={resolution: 4, max_step: 1}") == [
        '--set protocol={resolution: 4, max_step: 1}: protocol.max_step: unknown field. Did you mean "max_steps"?',
        "--set protocol={resolution: 4, max_step: 1}: protocol.resolution: must be an integer ≥ 16 and ≤ 2048, not 4",
        "foo.yaml:4: protocol.max_steps: must be an integer ≥ 1, not 0",
    ]


def test_a_wrong_override_is_named_as_it_was_typed(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(MINIMAL)
    assert refused(path, "protocol.max_stepz=1", "protocol.max_steps=many") == [
        "--set protocol.max_steps=many: must be an integer ≥ 1, not 'many'",
        '--set protocol.max_stepz=1: unknown field. Did you mean "max_steps"?',
    ]
    assert refused(path, "max_steps") == [
        "--set max_steps: write it as FIELD=VALUE, e.g. --set protocol.max_steps=100",
    ]
    assert refused(path, "protocol..x=1")[0].startswith("--set protocol..x=1: write it as")
    assert refused(path, "name.x=1") == ['--set name.x=1: "name" is not a map, it has no fields']
    assert refused(path, "protocol.replan=[")[0].startswith("--set protocol.replan=[: the value is not YAML")


def test_extends_takes_over_the_protocol_but_not_the_identity(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "name: base\naliases: [b]\ntitle: Base\nenv: libero\nenv_args: {benchmark: x, k: 1}\n"
        "protocol: {max_steps: 7, cameras: [a, b]}\n"
    )
    child = tmp_path / "child.yaml"
    child.write_text("name: child\nextends: ./base.yaml\nenv_args: {k: 2}\nprotocol: {cameras: [c]}\n")
    suite = load_suite(str(child))
    assert (suite.name, suite.aliases, suite.title) == ("child", (), "")
    assert suite.env_args == {"benchmark": "x", "k": 2}
    assert (suite.protocol.max_steps, suite.protocol.cameras) == (7, ("c",))


def test_errors_point_into_the_file_that_has_the_value(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\nenv: libero\nprotocol:\n  max_steps: 0\n  resolution: 1\n")
    child = tmp_path / "child.yaml"
    child.write_text("name: child\nextends: ./base.yaml\nprotocol:\n  resolution: 4\n")
    assert refused(child) == [
        "base.yaml:4: protocol.max_steps: must be an integer ≥ 1, not 0",
        "child.yaml:4: protocol.resolution: must be an integer ≥ 16 and ≤ 2048, not 4",
    ]


def test_extending_in_a_circle_or_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nextends: ./b.yaml\n")
    (tmp_path / "b.yaml").write_text("name: b\nextends: ./a.yaml\n")
    assert refused(tmp_path / "a.yaml") == ["b.yaml:2: extends: goes in a circle: a.yaml → b.yaml → a.yaml"]
    (tmp_path / "c.yaml").write_text("name: c\nextends: libero-objct\n")
    assert 'c.yaml:2: extends: There is no suite "libero-objct". Did you mean' in refused(tmp_path / "c.yaml")[0]


def test_dates_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "foo.yaml"
    path.write_text(MINIMAL + "env_args: {release: 2024-01-31}\n")
    assert load_suite(str(path)).env_args == {"release": "2024-01-31"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(field=st.sampled_from([*Suite.model_fields, "protocol.episodes", "protocol.cameras", "new"]), value=_json)
def test_any_value_of_any_field_is_taken_or_refused_under_its_override(field: str, value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True).removesuffix("...\n")
    refusal = ""
    try:
        load_suite("libero-object", [f"{field}={text}"])
    except UsageError as error:
        refusal = str(error)
    assert not refusal or "--set" in refusal
