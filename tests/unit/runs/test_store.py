"""The run folder keeps what is done, whatever happens to the process, the disk or the files."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.errors import RunAborted, RunFolderError, Stopped
from mmact_eval.runs import earlier_starts
from mmact_eval.runs.files.episode_log import EpisodeLog
from mmact_eval.runs.fingerprint import differences, digest
from mmact_eval.runs.folder import RunFolder
from mmact_eval.runs.manifest import Manifest
from mmact_eval.runs.reading import read_episodes, read_manifest, read_run, read_sessions
from mmact_eval.types import Episode, EpisodeResult


def result(init_state: int = 0, **changes: object) -> EpisodeResult:
    values: dict[str, object] = {"outcome": "success", "steps": 7, "scene_hash": "ab", "final_hash": "cd"}
    return EpisodeResult(Episode("toy", "easy", init_state, 0), **{**values, **changes})  # type: ignore[arg-type]


def made_with(fingerprint: dict[str, Any]) -> Manifest:
    return Manifest(fingerprint=fingerprint)


def test_results_survive_reopening_and_the_later_line_counts(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.open_episodes()
        store.append(result(0, outcome="error", error_kind="crash"))
        store.append(result(1))
        store.append(result(0))
    with RunFolder(tmp_path) as store:
        done = store.open_episodes()
    assert {episode.init_state: r.outcome for episode, r in done.items()} == {0: "success", 1: "success"}


def test_a_line_cut_in_half_is_set_aside_and_the_next_one_is_whole(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.open_episodes()
        store.append(result(0))
    whole = (tmp_path / "episodes.jsonl").read_bytes()
    (tmp_path / "episodes.jsonl").write_bytes(whole + whole[: len(whole) // 2])
    with RunFolder(tmp_path) as store:
        assert len(store.open_episodes()) == 1
        store.append(result(1))
    done, warnings = read_episodes(tmp_path)
    assert len(done) == 2
    assert warnings == []
    assert (tmp_path / "episodes.damaged").read_bytes().startswith(b'{"suite"')


def test_a_damaged_line_in_the_middle_is_named_and_costs_only_itself(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.open_episodes()
        for i in range(3):
            store.append(result(i))
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()
    lines[1] = lines[1][:20]
    (tmp_path / "episodes.jsonl").write_text("\n".join(lines) + "\n")
    done, warnings = read_episodes(tmp_path)
    assert {episode.init_state for episode in done} == {0, 2}
    assert "episodes.jsonl:2" in warnings[0]


def test_two_runs_on_one_folder_are_refused(tmp_path: Path) -> None:
    with RunFolder(tmp_path), pytest.raises(RunFolderError, match="in use by process"):
        RunFolder(tmp_path)
    RunFolder(tmp_path).__exit__(None, None, None)  # free again


def test_another_protocol_is_refused_with_the_difference(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.open_manifest(made_with({"protocol": {"max_steps": 280}, "seed": 0}))
        store.open_episodes()
        store.append(result(0))
    with RunFolder(tmp_path) as store:
        store.open_manifest(made_with({"seed": 0, "protocol": {"max_steps": 280}}))
        with pytest.raises(RunFolderError, match=r"protocol.max_steps: 280 → 100"):
            store.open_manifest(made_with({"protocol": {"max_steps": 100}, "seed": 0}))


def test_a_folder_without_a_completed_episode_is_not_bound(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.open_manifest(made_with({"chunk": 4}))
        store.open_episodes()
        store.append(result(0, outcome="error", error_kind="contract"))
    with RunFolder(tmp_path) as store:
        assert store.open_manifest(made_with({"chunk": 8})).fingerprint == {"chunk": 8}
        assert store.open_episodes() == {}
    assert (tmp_path / "episodes.jsonl.old").exists()


def test_episodes_of_unknown_origin_are_not_continued(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.open_episodes()
        store.append(result(0))
        with pytest.raises(RunFolderError, match=r"no manifest\.json"):
            store.open_manifest(made_with({}))


@pytest.mark.parametrize("content", ["[]", "null", "3", '{"fingerprint": null}', "", "{"])
def test_a_damaged_manifest_is_one_clear_message(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with RunFolder(tmp_path) as store, pytest.raises(RunFolderError, match=r"manifest\.json"):
        store.open_manifest(made_with({}))


def test_a_record_with_words_for_numbers_is_ignored_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "episodes.jsonl").write_text(json.dumps(result(0).to_json() | {"steps": "abc"}) + "\n")
    done, warnings = read_episodes(tmp_path)
    assert not done
    assert len(warnings) == 1


def test_a_folder_that_cannot_be_made_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="--out"):
        RunFolder(tmp_path / "file" / "run")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs privileges")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_full_disk_stops_the_run_and_loses_nothing_written(small_disk: Path) -> None:
    written = 0
    with RunFolder(small_disk) as store:
        store.open_episodes()
        stopped = None
        while stopped is None:
            try:
                store.append(result(written, error="x" * 500))
                written += 1
            except RunAborted as error:
                stopped = error
    assert "No space left" in str(stopped)
    done, warnings = read_episodes(small_disk)
    assert len(done) == written > 10
    assert warnings == []


def deleted(folder: Path) -> None:
    (folder / "episodes.jsonl").unlink()


def folder_deleted(folder: Path) -> None:
    shutil.rmtree(folder)


def all_deleted_but_the_folder(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def moved_away(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replaced(folder: Path) -> None:
    file = folder / "episodes.jsonl"
    content = file.read_bytes()
    file.unlink()
    (folder / "in-between").touch()  # so that the new file does not get the number of the old one
    file.write_bytes(content)


def cut(folder: Path) -> None:
    os.truncate(folder / "episodes.jsonl", 0)


def written_to(folder: Path) -> None:
    with open(folder / "episodes.jsonl", "a") as stream:
        stream.write(json.dumps(result(9).to_json()) + "\n")


Happens = Callable[[Path], None]


@pytest.mark.parametrize("happens", [deleted, folder_deleted, all_deleted_but_the_folder, moved_away])
def test_results_that_were_deleted_under_a_run_are_written_anew_and_the_run_stops(
    tmp_path: Path, happens: Happens
) -> None:
    folder = tmp_path / "run"
    manifest = made_with({"seed": 0})
    with RunFolder(folder) as store:
        store.open_manifest(manifest)
        store.open_episodes()
        store.append(result(0))
        happens(folder)
        with pytest.raises(RunAborted, match=r"episodes\.jsonl was deleted while .* Give the same command again"):
            store.append(result(1))
    with RunFolder(folder) as store:
        store.open_manifest(manifest)
        assert set(store.open_episodes()) == {result(0).episode, result(1).episode}


@pytest.mark.parametrize("happens", [replaced, cut, written_to])
def test_results_that_somebody_else_changed_are_written_beside(tmp_path: Path, happens: Happens) -> None:
    with RunFolder(tmp_path) as store:
        store.open_manifest(made_with({"seed": 0}))
        store.open_episodes()
        store.append(result(0))
        happens(tmp_path)
        with pytest.raises(RunAborted, match=r"(replaced|changed) .*Choose which of the two") as stopped:
            store.append(result(1))
    (rescued,) = tmp_path.glob("episodes.rescued-*.jsonl")
    assert str(rescued) in str(stopped.value)
    assert len(rescued.read_text().splitlines()) == 2


def test_a_folder_deleted_after_the_last_line_is_noticed_at_the_end(tmp_path: Path) -> None:
    store = RunFolder(tmp_path / "run")
    store.open_episodes()
    store.append(result(0))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(RunAborted, match="All results were written"):
        store.__exit__(None, None, None)
    assert len(read_episodes(tmp_path / "run")[0]) == 1


def test_somebody_who_stops_a_run_hears_that_its_folder_is_gone(tmp_path: Path) -> None:
    def stopped() -> None:
        with RunFolder(tmp_path / "run") as store:
            store.open_episodes()
            store.append(result(0))
            shutil.rmtree(tmp_path / "run")
            raise KeyboardInterrupt

    with pytest.raises(RunAborted, match="was deleted"):
        stopped()


def test_what_cannot_be_written_back_goes_to_the_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with RunFolder(tmp_path / "run") as store:
        store.open_manifest(made_with({"seed": 0}))
        store.open_episodes()
        store.append(result(0))
        shutil.rmtree(tmp_path / "run")
        (tmp_path / "run").write_text("in the way")
        with pytest.raises(RunAborted, match=r"Copy that folder to .*run, then"):
            store.append(result(1))
    (rescued,) = (tmp_path / "temporary").iterdir()
    assert len(read_episodes(rescued)[0]) == 2
    assert (rescued / "manifest.json").exists()


def test_a_manifest_deleted_under_a_run_is_written_again(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        written = store.open_manifest(made_with({"seed": 0}))
        store.open_episodes()
        (tmp_path / "manifest.json").unlink()
        store.append(result(0))
        assert any("manifest.json was deleted" in warning for warning in store.warnings)
    assert json.loads((tmp_path / "manifest.json").read_text()) == written.to_json()


def test_lines_made_under_another_fingerprint_are_noticed_and_left_out(tmp_path: Path) -> None:
    for name, steps, init_state in (("a", 60, 0), ("b", 10, 1), ("c", 60, 2)):
        with RunFolder(tmp_path / name) as store:
            store.open_manifest(made_with({"protocol": {"max_steps": steps}}))
            store.open_episodes()
            store.append(result(init_state))
    for other in ("b", "c"):
        with open(tmp_path / "a" / "episodes.jsonl", "a") as stream:
            stream.write((tmp_path / other / "episodes.jsonl").read_text())
    done, warnings = read_episodes(tmp_path / "a")
    assert {episode.init_state for episode in done} == {0, 2}
    assert len(warnings) == 1
    assert "1 line was made under another fingerprint" in warnings[0]
    run = read_run(tmp_path / "a")
    assert [r.episode.init_state for r in run.results] == [0, 2]
    assert any("1 record made under another fingerprint" in text and "line 2" in text for text in run.warnings)


def test_a_session_cut_in_half_costs_only_itself(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as store:
        store.add_session(event="start", number=0)
        with open(tmp_path / "sessions.jsonl", "a") as stream:
            stream.write('{"event": "sta')
        store.add_session(event="start", number=1)
    assert [session.to_json()["number"] for session in read_sessions(tmp_path)] == [0, 1]


def test_an_empty_manifest_gets_advice(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    with pytest.raises(RunFolderError, match=r"is empty, as after a power loss.*Put a copy of it back"):
        read_manifest(tmp_path)


@given(
    st.floats(0, 1e6),
    st.text(max_size=200),
    st.sampled_from(["success", "failure", "error"]),
    st.lists(st.floats(0, 100), max_size=5),
)
def test_results_round_trip_through_json(seconds: float, error: str, outcome: str, latencies: list[float]) -> None:
    before = result(3, outcome=outcome, error=error, seconds=seconds, latencies=tuple(round(x, 6) for x in latencies))
    assert EpisodeResult.from_json(json.loads(json.dumps(before.to_json()))) == before


def test_digest_ignores_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_differences_name_what_is_only_on_one_side() -> None:
    assert differences({"a": 1}, {"b": 2}) == ["a: 1 → (absent)", "b: (absent) → 2"]


@pytest.mark.parametrize("value", ["null", "3", '["a"]'])
def test_sessions_that_somebody_edited_stop_no_run(tmp_path: Path, value: str) -> None:
    lines = [f'{{"event": "start", "command": null}}\n{{"event": "files", "read": {value}, "wrote": {value}}}\n']
    (tmp_path / "sessions.jsonl").write_text("".join(lines))
    assert earlier_starts.files_read(tmp_path) == {}
    assert earlier_starts.wrote(tmp_path) == {}
    assert "3 of 4 episodes were done before" in earlier_starts.done_before(tmp_path, 3, 4)


def test_a_stop_behind_a_line_loses_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal can come between writing a line and knowing that it is on the disk."""

    def stopped(_: int) -> None:
        raise Stopped

    with RunFolder(tmp_path) as store:
        store.open_episodes()
        store.append(result(0))
        monkeypatch.setattr(os, "fsync", stopped)
        with pytest.raises(Stopped):
            store.append(result(1))
    monkeypatch.undo()
    with RunFolder(tmp_path) as store:
        assert store.open_episodes().keys() == {result(0).episode, result(1).episode}
        assert store.warnings == []


def test_a_stop_in_the_middle_of_a_line_leaves_a_file_that_goes_on(tmp_path: Path) -> None:
    class HalfWritten(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(data[: len(data) // 2])
            raise Stopped

    log = EpisodeLog(tmp_path / "episodes.jsonl")
    log.append("whole\n")
    log._stream.close()
    log._stream = HalfWritten(log.file, "ab")
    with pytest.raises(Stopped):
        log.append("cut in the middle\n")
    assert (log.file.read_text(), log.trouble()) == ("whole\n", "")
    log.close()
