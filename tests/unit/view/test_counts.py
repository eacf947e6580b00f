"""Counting a file that grows, shrinks, is replaced or damaged comes to what a report counts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.results.reporting import summarize_folder
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.files.episode_log import to_line
from mmact_eval.types import Episode, EpisodeResult, Outcome, Stage
from mmact_eval.view.runs import lines as lines_module
from mmact_eval.view.runs.counts import EpisodeCounts, Tally
from mmact_eval.view.runs.lines import Line, read_line

DIGEST = "abc"


def result(number: int, outcome: Outcome = "success", **more: Any) -> EpisodeResult:
    error: dict[str, Any] = {"error_kind": "crash", "error": f"died {number}"} if outcome == "error" else {}
    return EpisodeResult(
        Episode("toy", "easy", number, 0), outcome, steps=3, queries=2, latencies=(0.1, 0.25), executed=(8, 8),
        final_hash=f"f{number}", seconds=1.5e-05, **error, **more,
    )  # fmt: skip


def text(results: Sequence[EpisodeResult], digest: str = DIGEST) -> bytes:
    return "".join(to_line(one, digest) for one in results).encode()


def counts(file: Path, stages: int = 1, suite: str = "toy") -> EpisodeCounts:
    return EpisodeCounts(file, DIGEST, stages, suite)


def read_all(of: EpisodeCounts) -> Tally:
    of.read_more()
    while of.behind:
        of.read_more()
    return of.tally


SOME = [result(0), result(1, "failure"), result(2, "error"), result(3), result(2), result(4, "error")]


def shape(tally: Tally) -> tuple[int, int, int, int]:
    return tally.successes, tally.failures, tally.errors, tally.queries


def test_wherever_the_file_is_cut_it_comes_to_the_same_in_the_end(tmp_path: Path) -> None:
    whole = text(SOME)
    file = tmp_path / "episodes.jsonl"
    for cut in range(0, len(whole), 7):
        file.unlink(missing_ok=True)
        file.write_bytes(whole[:cut])
        found = counts(file)
        read_all(found)
        assert found.tally.unreadable == 0, "half a line is no line yet"
        with open(file, "ab") as stream:
            stream.write(whole[cut:])
        assert shape(read_all(found)) == (3, 1, 1, 10)
        assert found.tally.last_error == "crash: died 4"


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "episodes.jsonl"
    file.write_bytes(text(SOME[:4]))
    found = counts(file)
    read_all(found)
    seen: list[str] = []

    def noted(line: str, digest: str, stages: int) -> Line | Exception | None:
        seen.append(line)
        return read_line(line, digest, stages)

    monkeypatch.setattr("mmact_eval.view.runs.counts.read_line", noted)
    assert not found.read_more(), "nothing has changed"
    with open(file, "ab") as stream:
        stream.write(text([result(9)]))
    assert shape(read_all(found)) == (3, 1, 1, 10)
    assert len([line for line in seen if line]) == 1


def test_a_file_that_shrank_or_was_replaced_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    file.write_bytes(text(SOME))
    found = counts(file)
    read_all(found)
    os.truncate(file, len(text(SOME[:2])))
    assert shape(read_all(found)) == (1, 1, 0, 4)
    other = tmp_path / "other"
    other.write_bytes(text([result(k, "failure") for k in range(5)]))
    other.replace(file)
    assert shape(read_all(found)) == (0, 5, 0, 10)
    content = file.read_bytes().replace(b"failure", b"success")
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))
    assert shape(read_all(found)) == (5, 0, 0, 10)
    file.write_bytes(text([result(k) for k in range(50)]))  # longer, and nothing of what was there before
    assert read_all(found).episodes == 50
    file.unlink()
    assert found.read_more()
    assert found.tally == Tally()
    file.write_bytes(text(SOME[:1]))
    assert shape(read_all(found)) == (1, 0, 0, 2)


def test_a_settled_file_that_grows_again_is_counted_right(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    file.write_bytes(text(SOME))
    found = counts(file)
    read_all(found)
    found.settle()
    with open(file, "ab") as stream:
        stream.write(text([result(4)]))  # which was an error
    assert shape(read_all(found)) == (4, 1, 0, 10)


def test_a_last_line_without_its_end_counts_once_nobody_writes(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    for rest, expected in ((text([result(9)])[:-1], (4, 0)), (text([result(9)])[:-9], (3, 1))):
        file.write_bytes(text(SOME) + rest)
        found = counts(file)
        assert (read_all(found).successes, found.tally.unreadable) == (3, 0)
        found.settle()
        found.settle()
        assert (found.tally.successes, found.tally.unreadable) == expected
        file.write_bytes(text(SOME) + text([result(9)]))
        assert (read_all(found).successes, found.tally.unreadable) == (4, 0)


def test_it_is_what_a_report_counts(tmp_path: Path) -> None:
    fingerprint = {"suite": {"name": "toy"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"fingerprint": fingerprint}))
    manifest_digest = provenance.digest(fingerprint)
    odd = [
        b"{}\n", b"\n", b"no json\n", b"\xff\xfe\n", text([result(7)], "another"),
        text([result(8)]).replace(b"success", b"won"),
        text([EpisodeResult(Episode("elsewhere", "easy", 0, 0), "success")], manifest_digest),
    ]  # fmt: skip
    content = b"".join([text(SOME[:3], manifest_digest), *odd, text(SOME[3:], manifest_digest)])
    (tmp_path / "episodes.jsonl").write_bytes(content)
    found = EpisodeCounts(tmp_path / "episodes.jsonl", manifest_digest, 1, "toy")
    tally, total = read_all(found), summarize_folder(tmp_path).total
    assert (tally.successes, tally.errors, tally.episodes) == (total.successes, total.errors, total.episodes)
    assert tally.queries == total.queries
    assert (tally.unreadable, tally.foreign, tally.contradiction) == (4, 2, False)


def test_two_different_results_are_noticed_and_equal_ones_count_once(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    with_video = replace(result(0), artifacts={"video": "videos/0.mp4"}, seconds=9.0)
    file.write_bytes(text([result(0), with_video]))
    found = counts(file)
    assert (read_all(found).episodes, found.tally.contradiction) == (1, False)
    with open(file, "ab") as stream:
        stream.write(text([result(0, "failure")]))
    assert read_all(found).contradiction


def test_stages_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    two = (Stage("a", 3, True), Stage("b", 4, False))
    file.write_bytes(text([replace(result(0, "failure"), stages=two), replace(result(1, "error"), stages=two[:1])]))
    assert dict(read_all(counts(file, stages=5)).lengths) == {1: 1}


def test_the_quick_way_says_what_the_slow_way_says(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [to_line(one, DIGEST) for one in (result(0), result(1, "failure"), result(2, artifacts={"video": "v.mp4"}))]
    assert all(lines_module._USUAL.fullmatch(line) for line in usual), "what runs write is not read quickly any more"
    odd = [
        to_line(replace(result(3), figures={"env/x": 1.0}), DIGEST),
        to_line(replace(result(4), episode=Episode("toy", 'a "task" \\', 0, 0)), DIGEST),
        to_line(result(5), "another"), to_line(result(6), ""), usual[0][:-5], usual[0].replace("success", "won"),
    ]  # fmt: skip
    quick = [read_line(line, DIGEST, 1) for line in (*usual, *odd)]
    monkeypatch.setattr(lines_module, "_USUAL", re.compile("never"))
    slow = [read_line(line, DIGEST, 1) for line in (*usual, *odd)]
    for one, other in zip(quick, slow, strict=True):
        assert type(one) is type(other)
        assert one == other or not isinstance(one, Line)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "episodes.jsonl")
    with pytest.raises(OSError, match="no file"):
        counts(tmp_path / "episodes.jsonl").read_more()
