"""The manifest: every version of it can be read, what is read is kept, and what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mmact_eval.derived.export import export
from mmact_eval.errors import RunFolderError
from mmact_eval.runs import earlier_starts
from mmact_eval.runs.files.rescue import write_manifest
from mmact_eval.runs.folder import RunFolder
from mmact_eval.runs.manifest import VERSION, Manifest, PolicyPart
from mmact_eval.runs.reading import read_episodes, read_manifest, read_run, read_sessions

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*/manifest.json"))
BEFORE = sorted((Path(__file__).parent / "before").glob("*/manifest.json"))
"""As they were written before manifests had versions."""


def written(folder: Path, **changes: Any) -> Path:
    """A folder with the manifest of an example, changed; a value of None takes the key away."""
    data = {**json.loads(EXAMPLES[0].read_text()), **changes}
    kept = {key: value for key, value in data.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept, indent=2) + "\n")
    return folder


@pytest.mark.parametrize("file", BEFORE, ids=lambda file: file.parent.name)
def test_manifests_from_before_there_were_versions_are_read_and_written_again_to_the_byte(
    file: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(file.parent)
    assert manifest.manifest_version == 0
    assert manifest.fingerprint_digest == manifest.digest == json.loads(file.read_text())["digest"]
    write_manifest(tmp_path, manifest)
    assert (tmp_path / "manifest.json").read_bytes() == file.read_bytes()


def test_an_example_is_exported_to_the_byte(tmp_path: Path) -> None:
    example = EXAMPLES[0].parent
    export(example, tmp_path / "out")
    for name in ("manifest.json", "sessions.jsonl", "episodes.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (example / name).read_bytes()


def test_an_example_tells_by_name_what_it_was_made_with() -> None:
    manifest = read_manifest(BEFORE[1].parent)
    told = manifest.made_with
    assert (told.suite_name, told.env_name, told.seed) == ("libero-object", "libero", 0)
    assert (told.policy_name, told.policy_target, told.checkpoint) == (
        "mmact-nano-text-image", "mmact", "mmact-nano@61ec8cb1"
    )  # fmt: skip
    assert (told.max_steps, told.replan, told.trained_on) == (280, 8, {"libero-object": "0-19"})
    assert told.versions["mujoco"] == "3.17.0"
    assert (told.physics, told.policy_cameras) == (None, ("agentview", "wrist"))
    assert (manifest.env.action.hz, manifest.episodes_planned, manifest.tasks_in_suite) == (20.0, 300, None)
    assert manifest.suite_asked().protocol.max_steps == 280


def test_what_nobody_here_knows_is_kept_where_it_stands(tmp_path: Path) -> None:
    env = {**json.loads(EXAMPLES[0].read_text())["env"], "gravity": -9.8}
    folder = written(tmp_path, env=env, note={"by": "somebody"})
    before = (folder / "manifest.json").read_text()
    with RunFolder(folder) as store:
        store.open_manifest(read_manifest(folder))
        store.open_episodes()
        (folder / "manifest.json").unlink()
        store.require_in_place()  # writes it again
    assert json.loads((folder / "manifest.json").read_text()) == json.loads(before)


def test_a_manifest_of_a_newer_version_is_one_clear_message(tmp_path: Path) -> None:
    written(tmp_path, manifest_version=VERSION + 1, suite="something else by then")
    with pytest.raises(RunFolderError, match=r"manifest\.json was written by a newer mmact-eval .*pip install -U"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": "many"}, 'seed: .*there is "many"'),
        ({"policy": {"privileged": "perhaps"}}, r"policy\.privileged: "),
        ({"env": {"action": {"hz": [20]}}}, r"env\.action\.hz: "),
        ({"command": "mmact-eval run"}, "command: "),
        ({"manifest_version": "first"}, "manifest_version: "),
        ({"protocol": {"max_steps": float("inf")}}, r"protocol\.max_steps: .*there is inf"),
        (
            {"fingerprint": {"protocol": {"disturbance": {"metres": float("nan")}}}},
            r"fingerprint\.protocol\.disturbance\.metres: .*there is nan",
        ),
    ],
)
def test_a_damaged_field_is_named_with_its_file(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RunFolderError, match=rf"{tmp_path}/manifest\.json is damaged, {says}".replace('"', "['\"]")):
        read_run(written(tmp_path, **changes))


def test_an_infinite_argument_of_a_policy_is_no_damage_and_every_report_has_it(make_run: Any, tmp_path: Path) -> None:
    from mmact_eval import registry
    from mmact_eval.results.reporting import read_report, write_reports

    folder = make_run("a", {"cup": "SF"})
    data = json.loads((folder / "manifest.json").read_text())
    data["fingerprint"]["policy"]["args"] = {"bound": float("inf"), "start": float("nan")}
    (folder / "manifest.json").write_text(json.dumps(data))
    report = read_report([folder])
    write_reports(report, tmp_path / "out", [entry.name for entry in registry.listing(registry.REPORTS)])
    (suite,) = json.loads((tmp_path / "out" / "report.json").read_text())["suites"]
    assert suite["arms"][0]["fingerprint"]["policy"]["args"] == {"bound": "inf", "start": None}


def test_nothing_need_be_there_but_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"fingerprint": {"suite": {"name": "toy"}}}')
    run = read_run(tmp_path)
    assert (run.suite, run.manifest.policy.name, run.manifest.command) == ("toy", "", [])
    assert run.manifest.to_json() == {"fingerprint": {"suite": {"name": "toy"}}}


def test_what_is_made_holds_nothing_that_the_model_does_not_know() -> None:
    with pytest.raises(ValidationError, match="no such field: chekpoint"):
        PolicyPart.model_validate({"name": "mine", "chekpoint": "x"})
    with pytest.raises(ValidationError, match="no such field: polcy"):
        Manifest.model_validate({"polcy": {}})


@pytest.mark.parametrize("value", ["null", "3", '"text"', '["a"]', '{"a": 3}'])
@pytest.mark.parametrize(
    "field", ["read", "wrote", "command", "prepared", "machine", "options", "used", "tasks", "event"]
)
def test_whatever_somebody_wrote_into_a_session_there_is_a_report_and_no_traceback(
    make_run: Any, field: str, value: str
) -> None:
    from mmact_eval.recheck.then_and_now import then_and_now
    from mmact_eval.results.reporting import summarize_folder

    folder = make_run("a", {"cup": "SF"})
    plain = {"event": "start", "machine": {"cpu": "EPYC"}, "prepared": {"gl": "egl"}}
    lines = [{**plain, field: json.loads(value)}, {"event": "files", field: json.loads(value)}, plain]
    (folder / "sessions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert len(read_sessions(folder)) == 3
    assert summarize_folder(folder).provenance["CPU"] == "EPYC"
    assert then_and_now(read_run(folder), read_run(folder)).machine == ()
    assert "1 of 2 episodes" in earlier_starts.done_before(folder, 1, 2)
    earlier_starts.files_read(folder)
    earlier_starts.wrote(folder)
    assert len(read_episodes(folder)[0]) == 2
