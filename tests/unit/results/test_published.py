"""Published numbers: the table itself, and setting it beside a run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from mmact_eval.cli import cli
from mmact_eval.errors import UsageError
from mmact_eval.reports import markdown
from mmact_eval.results.published.beside import table_beside
from mmact_eval.results.published.physics import physics_of, published_physics
from mmact_eval.results.published.rows import load, select
from mmact_eval.results.published.table import PublishedTable
from mmact_eval.results.reporting import read_report
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.specs import Physics

MakeRun = Callable[..., Path]

LIBERO = ("libero-spatial", "libero-object", "libero-goal", "libero-long")


def test_every_result_has_a_source_and_is_there_once() -> None:
    results = load()  # raises for duplicates and missing sources
    assert len(results) == 1604
    for result in results:
        assert result.source
        assert 0.0 <= result.value <= (100.0 if result.unit == "percent" else 5.0)
        if result.trials and result.tasks and result.episodes and "seeds" not in result.protocol:
            assert result.episodes == result.trials * result.tasks


def test_no_row_mixes_protocols_or_sources() -> None:
    cells = [(result.suite, result.task, result.metric, *result.row) for result in load()]
    assert len(set(cells)) == len(cells)
    reproduced = [r for r in load() if r.model == "X-VLA (0.9B)" and r.suite == "libero-long"]
    assert {result.kind for result in reproduced} == {"primary", "reproduction"}
    assert len({result.row for result in reproduced}) == 2


def test_duplicates_and_missing_sources_are_refused() -> None:
    text = (resources.files("mmact_eval.results.published") / "published.csv").read_text()
    lines = text.splitlines()
    with pytest.raises(ValueError, match="published twice"):
        load("\n".join([*lines, lines[5]]))
    with pytest.raises(ValueError, match="needs a source"):
        load("\n".join([lines[0], lines[1].rsplit(",", 3)[0] + ",,,"]))
    with pytest.raises(ValueError, match="where they are stated go together"):
        load("\n".join([lines[0], lines[1].rsplit(",", 2)[0] + ",MuJoCo 3.2.3,"]))


def test_averages_are_those_of_the_suites_unless_the_source_says_otherwise() -> None:
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for result in load():
        if result.benchmark == "LIBERO":
            rows.setdefault(result.row, {})[result.suite] = result.value
    for row, values in rows.items():
        if "libero-average" in values and all(suite in values for suite in LIBERO):
            mean = sum(values[suite] for suite in LIBERO) / 4
            assert abs(mean - values["libero-average"]) < 0.1 or "average" in row[-1], row


def test_physics_is_known_where_a_source_pins_it() -> None:
    told = {(r.model, r.kind): r.physics for r in load() if r.suite == "libero-long"}
    assert told["pi0.5 (openpi, 30k steps)", "primary"] == "MuJoCo 3.2.3"
    assert told["X-VLA (0.9B)", "reproduction"] == "MuJoCo 3.2.3"
    assert told["WorldVLA (256x256)", "primary"] == "MuJoCo 3.2.7"
    assert told["RynnVLA-002 (discrete)", "primary"] == "MuJoCo 3.3.5"
    assert told["X-VLA (0.9B)", "primary"] == ""


@pytest.mark.parametrize(
    ("engine", "family"),
    [("MuJoCo 2.3.7", "published"), ("MuJoCo 3.3.7", "published"), ("MuJoCo 3.4.0", "changed"),
     ("MuJoCo 3.17.0", "changed"), ("MuJoCo 4.0.0rc1", "changed")],
)  # fmt: skip
def test_the_family_follows_from_the_version(engine: str, family: str) -> None:
    assert published_physics(engine) == Physics(engine, family)
    assert published_physics("SAPIEN 3.0.0") is None
    assert published_physics("") is None


def test_a_run_in_changed_physics_is_not_set_beside_published_numbers_silently(make_run: MakeRun) -> None:
    tasks = {f"task{i}": "S" * 50 for i in range(10)}
    arguments = {"suite": "libero-long", "protocol": {"max_steps": 520, "replan": 5}}

    def against(version: str) -> PublishedTable:
        run = make_run(version, tasks, versions={"mujoco": version}, **arguments)
        return table_beside(read_report([run]).suites, "*openpi*")

    same = against("3.3.7")
    assert same.note == ""
    assert not any("scenes settle" in row.compatibility for row in same.rows)
    other = against("3.17.0")
    assert "Physics here: MuJoCo 3.17.0 (changed family). 2 of the 2 published rows were made" in other.note
    assert "MuJoCo 3.2.3 there, MuJoCo 3.17.0 here: scenes settle otherwise" in other.rows[0].differences


def test_a_fingerprint_that_names_its_physics_is_believed_before_its_versions() -> None:
    told = {"physics": {"engine": "MuJoCo 3.9.0", "family": "changed"}, "versions": {"mujoco": "3.3.7"}}
    assert physics_of(MadeWith(told)) == Physics("MuJoCo 3.9.0", "changed")
    assert physics_of(MadeWith({"versions": {"mujoco": "3.3.7"}})) == Physics("MuJoCo 3.3.7", "published")
    assert physics_of(MadeWith({"versions": {"sapien": "3.0.1"}})) is None


def test_selection_and_its_errors() -> None:
    found = select(load(), "libero-long", "mm-act")
    assert sorted(result.value for result in found) == [88.0, 93.0]
    assert select(load(), model="*vanilla*")
    with pytest.raises(UsageError, match='Did you mean "libero-long"'):
        select(load(), "libero-lon")
    with pytest.raises(UsageError, match="no published model matches"):
        select(load(), "libero-long", "nobody")


def test_a_run_beside_published_results(make_run: MakeRun) -> None:
    tasks = {f"task{i}": "S" * 50 for i in range(10)}
    full = make_run("full", tasks, suite="libero-long", protocol={"max_steps": 520, "replan": 8})
    table = table_beside(read_report([full]).suites, "MM-ACT")
    assert {row.compatibility for row in table.rows} == {"compatible"}
    short = make_run("short", {"task0": "SSS"}, suite="libero-long", protocol={"max_steps": 100})
    row = table_beside(read_report([short]).suites, "MM-ACT").rows[0]
    assert row.differences == (
        "50 episodes a task there, 3 here",
        "10 tasks there, 1 here",
        "520 steps at most there, 100 here",
        "8 actions a query there, 4 here",
    )
    others = table_beside(read_report([full]).suites)
    assert "max steps" in next(row for row in others.rows if row.model == "dVLA").not_stated
    with pytest.raises(UsageError, match='nothing is published for suite "toy"'):
        table_beside(read_report([make_run("toy", {"cup": "S"})]).suites)


def test_a_report_against_published_numbers(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(name, {"a": "SSF", "b": "SFF"}, suite=name) for name in ("libero-spatial", "libero-long")]
    arguments = ["report", *map(str, runs), "--out", str(tmp_path / "out"), "--against", "published:MM-ACT"]
    result = CliRunner().invoke(cli, [*arguments, "--format", "markdown"])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("| MM-ACT (Vanilla, action only)")]
    assert "97.8 % (96.1–98.9 %)" in line
    assert "88.0 % (84.8–90.7 %)" in line
    assert "50 episodes a task there, 3 here on Libero-Long" in line
    assert "arXiv:2512.00975 Table 1" in text
    assert markdown.render(read_report(runs)).count("Published") == 0
    refused = CliRunner().invoke(cli, ["report", str(runs[0]), "--against", "runs/other"])
    assert isinstance(refused.exception, UsageError)


def test_the_command_lists_and_exports() -> None:
    listed = CliRunner().invoke(cli, ["published", "--suite", "libero_10", "--model", "vanilla"])
    assert "88 %" in listed.output
    assert "arXiv:2512.00975" in listed.output
    assert "robotwin-clean" in CliRunner().invoke(cli, ["published"]).output
    exported = CliRunner().invoke(cli, ["published", "--suite", "libero-long", "--csv"]).output
    assert len(list(csv.DictReader(exported.splitlines()))) == 52
