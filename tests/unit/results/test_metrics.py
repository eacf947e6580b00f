"""Whatever is measured of episodes is in every report, with an interval, and compared, without a line of code."""

from __future__ import annotations

import functools
import html as html_module
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from manifests import summarize
from test_compare import compare

from mmact_eval import load_results, registry
from mmact_eval.reports import csv, eval_info, latex, markdown
from mmact_eval.reports import json as json_report
from mmact_eval.reports.html import page as html
from mmact_eval.results.metrics.collecting import TAKEN, metrics_of
from mmact_eval.results.metrics.kinds import Mean, Share
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.results.report_data import Report
from mmact_eval.results.reporting import read_report, summarize_folder
from mmact_eval.results.terminal_table import text_table
from mmact_eval.statistics.means import mean_interval
from mmact_eval.statistics.paired_numbers import paired_difference
from mmact_eval.types import Episode, EpisodeResult

MakeRun = Callable[..., Path]

LENGTHS = {"a": [5, 3, 0, 4, 5, 2, 5, 1, 3, 5], "b": [5, 4, 2, 4, 5, 4, 5, 3, 3, 5]}
"""Chains of five sub-tasks: how many each episode solved. Success is all five."""

AVERAGE_LENGTH = Metric(
    "env/length", "average length", Mean(), lambda r: r.figures.get("env/length"), "of 5", "higher", 2,
    figures=("env/length",), headline=True,
)  # fmt: skip
"""What the benchmark of such chains would bring as its entry point."""


def chains(lengths: Sequence[int], **figures: float) -> list[EpisodeResult]:
    return [
        EpisodeResult(
            Episode("toy", "chain", i, 0), "success" if n == 5 else "failure", steps=60, queries=3,
            scene_hash=f"scene-{i}", final_hash=f"{i}-{n}", latencies=(0.01,),
            figures={"env/length": float(n), **figures},
        )
        for i, n in enumerate(lengths)
    ]  # fmt: skip


@pytest.fixture
def report(make_run: MakeRun) -> Report:
    runs = [make_run(name, chains(of), policy={"name": name}) for name, of in LENGTHS.items()]
    return read_report(runs)


def plain(text: str) -> str:
    return html_module.unescape(text).replace("\N{NO-BREAK SPACE}", " ").replace("~", " ").replace("--", "–")


def test_a_figure_nobody_has_heard_of_is_in_every_format(report: Report, tmp_path: Path) -> None:
    mean, low, high = mean_interval([float(n) for n in LENGTHS["a"]])
    assert (mean, round(low, 2), round(high, 2)) == (3.3, 1.99, 4.61)
    shown = "3.30 (1.99–4.61)"
    for writer in (markdown, latex, html):
        (file,) = writer.write(report, tmp_path)
        text = plain(file.read_text())
        assert "length" in text
        assert shown in text, writer.__name__
        assert "Student's t" in text
    assert f"length: {shown}, mean of 10 episodes" in text_table(report.runs[0].summary)

    tasks, episodes, pairs = (pd.read_csv(file) for file in csv.write(report, tmp_path))
    assert list(tasks.columns[-3:]) == ["env/length", "env/length_low", "env/length_high"]
    assert tasks["env/length_low"].iloc[0] == low
    assert list(episodes["env/length"]) == LENGTHS["a"] + LENGTHS["b"]
    assert pairs["env/length_difference"].iloc[0] == pytest.approx(0.7)

    (file,) = json_report.write(report, tmp_path)
    record = json.loads(file.read_text())
    pytest.importorskip("jsonschema").Draft202012Validator(json_report.schema()).validate(record)
    (described,) = [metric for metric in record["metrics"] if metric["key"] == "env/length"]
    assert (described["kind"], described["interval"]) == ("mean", "Student's t")
    (suite,) = record["suites"]
    assert suite["arms"][0]["total"]["measures"]["env/length"] == {"value": 3.3, "interval": [low, high], "n": 10}
    assert suite["arms"][0]["episodes"][1]["figures"] == {"env/length": 3.0}

    info = json.loads(eval_info.write(report, tmp_path)[0].read_text())
    assert info["overall"]["avg_env/length"] == 3.3
    assert info["per_task"][0]["metrics"]["env/length"][:3] == [5.0, 3.0, 0.0]


def test_arms_are_compared_in_it(report: Report, tmp_path: Path) -> None:
    expected = paired_difference([float(b - a) for a, b in zip(LENGTHS["a"], LENGTHS["b"], strict=True)])
    (suite,) = report.suites
    found = suite.pairings[0].measures["env/length"]
    assert (found.pairs, found.first, found.second) == (10, 3.3, 4.0)
    assert (found.difference, found.low, found.high, found.p_value) == pytest.approx(
        (0.7, expected.low, expected.high, expected.p_value)
    )
    assert found.p_holm == found.p_value
    for text in (markdown.render(report), html.render(report, tmp_path)):
        assert "+0.70" in text
        assert "sign-flip permutation" in text
    record = json_report.record(report)["suites"][0]["pairings"][0]["measures"]["env/length"]
    assert record["p_holm"] == found.p_holm


def test_holm_is_over_the_arms_of_one_metric(make_run: MakeRun) -> None:
    better = [min(5, n + 1) for n in LENGTHS["a"]]
    of = {"base": LENGTHS["a"], "b": LENGTHS["b"], "c": better}
    runs = [make_run(name, chains(lengths), policy={"name": name}) for name, lengths in of.items()]
    found = [pairing.measures["env/length"] for pairing in read_report(runs).suites[0].pairings]
    assert [one.p_holm > one.p_value for one in found].count(True) == 1
    assert max(one.p_holm for one in found) <= 2 * max(one.p_value for one in found)


def test_a_package_brings_a_headline_by_its_entry_point(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chains.py").write_text("from test_metrics import AVERAGE_LENGTH\nlengths = [AVERAGE_LENGTH]\n")
    (tmp_path / "raising_metrics.py").write_text("raise ValueError('at import')")
    monkeypatch.syspath_prepend(tmp_path)
    points = {
        "chains": EntryPoint("chains", "chains:lengths", registry.METRICS),
        "raises": EntryPoint("raises", "raising_metrics:metric", registry.METRICS),
        "gone": EntryPoint("gone", "nowhere_at_all:metric", registry.METRICS),
    }
    monkeypatch.setattr(registry, "_points", lambda group: points if group == registry.METRICS else {})
    run = make_run("a", chains(LENGTHS["a"], **{"policy/length": 1.0}))
    summary = summarize_folder(run)
    assert [metric.label for metric in summary.further] == ["average length", "length"]
    head, total = (line for line in text_table(summary).splitlines() if line.startswith(("task", "total")))
    assert head.endswith("average length")
    assert total.endswith("3.30 of 5 (1.99–4.61)")
    shown = plain(markdown.render(read_report([run])))
    assert "success: 4 of 10 completed episodes (95 % interval 12.2–73.8 %); average length 3.30 of 5" in shown


def test_installed_packages_are_looked_through_once_a_process(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(group: str) -> list[EntryPoint]:
        asked.append(group)
        return []

    monkeypatch.setattr(registry, "entry_points", counted)
    monkeypatch.setattr(registry, "_points_on", functools.cache(registry._points_on.__wrapped__))
    runs = [make_run(name, {"cup": "SSFE"}, policy={"name": name}) for name in ("a", "b", "c")]
    read_report(runs)
    assert asked == [registry.METRICS]


def test_a_metric_that_cannot_measure_is_left_out_and_said(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(result: EpisodeResult) -> float:
        raise KeyError("nothing there")

    infinite, text = (lambda result: float("inf")), (lambda result: "3")
    brought: list[Any] = [
        [Metric("own/fine", "fine", Mean(), lambda r: cast("float", np.float32(r.episode.init_state))), 3],
        Metric("own/broken", "broken", Mean(), broken),
        Metric("own/infinite", "infinite", Mean(), infinite),
        Metric("own/text", "text", Mean(), text),  # type: ignore[arg-type]
        Metric("own/weights", "weights", Share(), lambda result: (0.5,)),
        Metric("errors", "errors", Mean(), lambda result: 77.0),
        None,
    ]
    monkeypatch.setattr(registry, "metrics", lambda: brought)
    runs = [make_run("a", {"cup": "SSFE"}), make_run("b", {"cup": "SFFS"}, policy={"name": "b"})]
    report = read_report(runs)
    assert [metric.key for metric in report.runs[0].summary.further] == ["own/fine"]
    assert json.loads(json.dumps(json_report.record(report)))["suites"][0]["arms"]
    for named in ("own/broken", "own/infinite", "own/text", "own/weights", "errors", "int", "NoneType"):
        assert f'metric "{named}"' in caplog.text


def test_no_column_of_a_table_takes_the_name_of_another(make_run: MakeRun) -> None:
    ends = {"env/length_low": 77.0, "env/length_high": 88.0}
    run = make_run("a", chains(LENGTHS["a"], **ends))
    own = read_report([run]).runs[0].summary.total.measures["env/length"]
    for row in (list(csv.tasks(read_report([run])))[-1], load_results(run).table().iloc[-1]):
        assert {name: row[name] for name in ends} == ends
        assert (row["env/length_low_"], row["env/length_high_"]) == (own.low, own.high)
    for columns in (list(next(csv.tasks(read_report([run])))), list(map(str, load_results(run).table()))):
        assert {name for name in columns if "/" not in name} <= TAKEN


def test_labels_that_are_alike_are_told_apart() -> None:
    results = [
        replace(result, figures={"env/speed": 1.0, "policy/speed": 2.0, "env/steps": 3.0}) for result in chains([5, 3])
    ]
    assert [m.label for m in metrics_of(results) if not m.standard] == ["env/speed", "env/steps", "policy/speed"]


def test_an_error_has_no_value_and_arms_need_not_have_the_same_figures(make_run: MakeRun, tmp_path: Path) -> None:
    broken = replace(chains([0])[0], outcome="error", error="boom", error_kind="crash")
    runs = [make_run("a", [broken, *chains(LENGTHS["a"])[1:]]), make_run("b", {"chain": "SF"}, policy={"name": "b"})]
    report = read_report(runs)
    assert report.runs[0].summary.total.measures["env/length"].n == 9
    assert not report.suites[0].pairings[0].measures
    for writer in (csv, eval_info, html, json_report, latex, markdown):
        writer.write(report, tmp_path)
    assert pd.read_csv(tmp_path / "report.csv")["env/length"].isna().tolist() == [False, False, True, True]


def test_reports_of_runs_without_figures_have_no_further_table(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("a", {"cup": "SSFE"}), make_run("b", {"cup": "SFFS"}, policy={"name": "b"})]
    report = read_report(runs)
    for text in (markdown.render(report), html.render(report, tmp_path), latex.render(report)):
        assert "Other measures" not in text
    assert " ".join(next(csv.tasks(report))) == FORMER
    assert " ".join(next(csv.pairs(report))) == FORMER_PAIRS
    assert "length" not in text_table(report.runs[0].summary)


def test_the_interval_of_what_cannot_be_negative_begins_at_nothing() -> None:
    results = [replace(result, seconds=float(i == 0), steps=1 + i) for i, result in enumerate(chains([1, 2, 3]))]
    measures = summarize(results, {}).total.measures
    assert measures["seconds_mean"].low == 0.0 < measures["seconds_mean"].value < measures["seconds_mean"].high
    assert measures["steps_mean"].low == 0.0
    assert Mean().measure([0.0, 0.0, 1.0]).low < 0.0  # of a number of which nothing is known


FORMER = (
    "level arm suite task policy checkpoint seed fingerprint not_real notes episodes_asked episodes completed "
    "successes errors rate rate_low rate_high rate_all rate_task_mean rate_task_mean_low rate_task_mean_high "
    "steps_mean steps_success_mean queries latency_p50_ms latency_p95_ms seconds_mean"
)
FORMER_PAIRS = (
    "suite first second pairs both only_first only_second neither left_out difference difference_low difference_high "
    "p_value p_holm blocked"
)


def test_success_is_told_apart_where_training_data_began() -> None:
    manifest = {"fingerprint": {"policy": {"config": {"trained_on": {"toy": "0-3"}}}}}
    summary = summarize(chains(LENGTHS["a"]), manifest)
    seen, new = (summary.total.measures[key] for key in ("rate_trained_on", "rate_not_trained_on"))
    assert (seen.value, seen.n, new.value, new.n) == (0.25, 4, 0.5, 6)
    assert seen.low < 0.25 < seen.high
    assert any("4 episodes and solved 1 of them; of the 6 others it solved 3" in text for text in summary.warnings)
    assert "rate_trained_on" not in summarize(chains(LENGTHS["a"]), {}).total.measures


def test_texts_pictures_and_disturbances_are_numbers(make_run: MakeRun) -> None:
    said: list[Mapping[str, float]] = [
        {"plan/texts": 4.0, "plan/exact": 0.5, "picture/pictures": 2.0, "picture/ssim": 0.5, "picture/psnr": 20.0,
         "picture/equal": 1.0, "disturbance/displaced": 1.0, "disturbance/metres": 0.2},
        {"plan/texts": 1.0, "plan/exact": 1.0, "picture/pictures": 1.0, "picture/ssim": 0.8, "picture/psnr": 26.0,
         "disturbance/displaced": 0.0},
    ]  # fmt: skip
    results = [replace(result, figures=of) for result, of in zip(chains([5, 3]), said, strict=True)]
    summary = summarize_folder(make_run("a", results))
    assert summary.plans is not None
    assert (summary.plans.texts, summary.plans.same, summary.plans.pictures) == (5, 3, 3)
    values = {metric.key: summary.total.measures[metric.key].value for metric in summary.further}
    assert values == pytest.approx(
        {"plan/exact": 0.6, "picture/psnr": 23.0, "picture/ssim": 0.6, "disturbance/displaced": 0.5,
         "disturbance/metres": 0.2, "disturbance/success": 1.0}
    )  # fmt: skip
    assert summary.total.measures["plan/exact"].interval is not None


def test_older_runs_have_the_figures_that_their_files_tell(make_run: MakeRun) -> None:
    moved = {"disturbance": {"metres": 0.3, "first_step": 1, "last_step": 2}}
    results = [replace(result, figures={}) for result in chains([5, 3, 5])]
    results[0] = replace(results[0], artifacts={"disturbance": "gone.json", "plan": "said.jsonl"})
    run = make_run("a", results, protocol=moved)
    (run / "said.jsonl").write_text('{"text": "reach", "reference": "reach"}\n')
    (arm,) = read_report([run]).runs
    assert [result.figures.get("disturbance/displaced") for result in arm.run.results] == [1.0, 0.0, 0.0]
    assert arm.summary.total.measures["disturbance/success"].value == 1.0
    assert arm.summary.total.measures["plan/exact"].value == 1.0


def test_compare_speaks_at_the_level_of_its_verdict(make_run: MakeRun) -> None:
    runs = [make_run(name, chains(of), policy={"name": name}) for name, of in LENGTHS.items()]
    usual, wider = (compare(*runs, "--alpha", alpha)[1] for alpha in ("0.05", "0.1"))
    assert "points, 95 % interval" in usual
    assert "points, 90 % interval" in wider
    assert "length: B - A +0.70, 90 % interval" in wider
    record = json.loads(compare(*runs, "--alpha", "0.1", "--json")[1])
    assert record["interval_95"][0] <= record["interval"][0]
    assert record["confidence"] == 0.9
    assert record["measures"]["env/length"]["pairs"] == 10


def test_counting_needs_no_scipy() -> None:
    code = (
        "import sys\nfrom mmact_eval.results.summary import summarize\n"
        "print([name for name in ('scipy', 'pandas') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_metrics_have_keys_of_their_own() -> None:
    results: list[Any] = chains([5])
    keys = [metric.key for metric in metrics_of(results)]
    assert len(keys) == len(set(keys))
    assert keys[0] == "rate"
