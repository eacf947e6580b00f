"""The view in a real browser: a run that grows, its report, a comparison, a study, a bundle from a disk."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="pip install 'mmact-eval[view]'")
pytest.importorskip("uvicorn", reason="pip install 'mmact-eval[view]'")

from browser import Browser, find_chromium
from viewed import open_report, row, text, videos_play, viewed

from mmact_eval.commands.ablate import command as ablate
from mmact_eval.config.suite_file import load_suite
from mmact_eval.derived.merge import merge
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.runs.shard import Shard
from mmact_eval.view.bundle import write_bundle

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: apt-get install chromium)")

STUDY = """
name: mine
title: What it costs
base: {suite: toy, policy: toy, episodes: 3}
arms:
  plain: {}
  coarse: {label: 4 bins, transforms: [{quantize: {bins: 4}}]}
"""


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = find_chromium()
    assert program
    with Browser(program) as found:
        yield found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies with videos, chains, and a study."""
    folder = tmp_path_factory.mktemp("view")
    suite = load_suite("toy", ["protocol.replan=4"])
    for policy in ("toy", "random"):
        execute(RunRequest(suite, policy, episodes=4, out=folder / "runs" / policy, video="all"))
    chains = load_suite("toy", ["protocol.stages=3", "protocol.stage_steps=20", "protocol.max_steps=60"])
    execute(RunRequest(chains, "toy", episodes=3, out=folder / "runs" / "chains"))
    (folder / "study.yaml").write_text(STUDY)
    given = ["--study", str(folder / "study.yaml"), "--out", str(folder / "runs" / "study"), "--format", "none"]
    ablate.main(given, standalone_mode=False)
    return folder / "runs"


def wait_for(browser: Browser, name: str, cell: str, *wanted: str) -> str:
    """Until a cell says one of these; what it says then."""
    end = time.monotonic() + 90
    while (found := text(browser, name, cell)) not in wanted:
        assert time.monotonic() < end, f"{name}: {cell} says {found!r}, not {wanted}"
        time.sleep(0.1)
    return found


def test_a_run_appears_grows_ends_and_vanishes(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    with viewed(folder) as address:
        browser.visit(address)
        assert "no runs here yet" in browser.run("document.getElementById('none').textContent")
        process = subprocess.Popen(
            [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "random", "--episodes", "25",
             "--set", "env_args.step_seconds=0.02", "--workers", "2", "--out", str(folder / "mine")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(browser, "mine", "state .word", "running")
            seen = set()
            end = time.monotonic() + 90
            while text(browser, "mine", "state .word") == "running":
                assert time.monotonic() < end
                seen.add(text(browser, "mine", "progress").splitlines()[0])
                time.sleep(0.1)
            assert len(seen) > 2, seen
            assert all(one == "counting …" or one.endswith("of 50") for one in seen)
            assert process.wait(60) in (0, 1)
        finally:
            process.kill()
        wait_for(browser, "mine", "state .word", "finished")
        assert text(browser, "mine", "progress").startswith("50 of 50")
        browser.run(f"{row('mine')}.querySelector('.more button').focus()")
        for kind in ("rawKeyDown", "char", "keyUp"):
            browser.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                         windowsVirtualKeyCode=13)  # fmt: skip
        facts = browser.run(f"{row('mine')}.nextSibling.innerText")
        assert "2 workers" in facts
        assert "--policy random" in facts
        shutil.rmtree(folder / "mine")
        browser.wait("document.querySelectorAll('#runs tbody tr').length === 0")
    assert browser.problems == []
    assert browser.requests <= {"http:", "data:"}


def test_reports_comparisons_and_studies_open(browser: Browser, runs: Path) -> None:
    with viewed(runs, "--token") as address:
        browser.visit(address)
        assert browser.run("location.search") == "", "the token does not stay in the address"
        assert "average length" in text(browser, "chains", "rate")
        open_report(browser, f"{row('random')}.querySelector('a').click()")
        assert videos_play(browser)
        assert browser.run("document.querySelectorAll('.card').length") == 1
        home = address.partition("?")[0]
        browser.visit(home)
        browser.run(f"for (const one of [{row('toy')}, {row('random')}]) one.querySelector('input').click()")
        assert browser.run("document.getElementById('ticked-count').textContent") == "2 runs ticked"
        open_report(browser, "document.getElementById('compare').click()")
        assert browser.run("document.querySelectorAll('.card').length") == 2
        assert "against toy" in browser.run("document.body.innerText")
        assert videos_play(browser)
        browser.visit(home)
        assert browser.run("document.querySelectorAll('#runs input:checked').length") == 2, "ticks outlast a look"
        open_report(browser, "document.querySelector('.study a').click()")
        assert "What it costs: Toy point reacher" in browser.run("document.title")
    assert browser.problems == []


def test_runs_are_found_and_ordered(browser: Browser, runs: Path) -> None:
    names = "[...document.querySelectorAll('#runs td.run a')].map((one) => one.textContent)"

    def choose(field: str, value: str) -> list[str]:
        browser.run(
            f"(() => {{ const one = document.getElementById('{field}'); one.value = '{value}';"
            " one.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )
        found: list[str] = browser.run(names)
        return found

    with viewed(runs) as address:
        browser.visit(address)
        assert choose("order", "name") == ["chains", "random", "study/coarse", "study/plain", "toy"]
        assert choose("find", "STUDY") == ["study/coarse", "study/plain"]
        assert choose("find", "nothing like it") == []
        assert browser.run("document.getElementById('none').textContent") == "No run is like that."
        assert choose("find", "") != []
        assert choose("policy", "random") == ["random"]
        assert choose("policy", "") != []
        assert choose("state", "active") == []
        assert len(choose("state", "finished")) == 5
        assert choose("order", "worst")[0] == "random"
        browser.resize(390, 844, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.problems == []


def test_parts_of_a_run_stand_together_and_open_as_one(browser: Browser, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    suite = load_suite("toy", ["protocol.replan=4"])
    for index in range(3):
        execute(RunRequest(suite, "random", episodes=4, out=folder / f"mine/shard-{index}-of-3", shard=Shard(index, 3)))
    merge([folder / "mine"], folder / "merged")
    shutil.copytree(runs / "toy", folder / "toy")
    names = "[...document.querySelectorAll('#runs td.run a')].map((one) => one.textContent)"
    browser.send("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
    with viewed(folder) as address:
        browser.visit(address)
        assert sorted(browser.run(names)) == ["merged", "mine", "toy"]
        assert browser.run("document.getElementById('summary').textContent") == "3 runs"
        assert "3 parts" in text(browser, "mine", "run")
        assert "merged from 3 parts" in text(browser, "merged", "run")
        assert text(browser, "mine", "progress") == text(browser, "merged", "progress")
        assert text(browser, "mine", "rate") == text(browser, "merged", "rate")
        browser.run(f"{row('mine')}.querySelector('.more button').click()")
        shown = browser.run(names)
        first = shown.index("mine") + 1
        assert shown[first : first + 3] == [f"mine/shard-{index}-of-3" for index in range(3)]
        browser.run(f"{row('merged')}.querySelector('.more button').click()")
        facts = browser.run(f"{row('merged')}.nextSibling.innerText")
        assert "shard-1-of-3 ·" in facts
        assert re.search(r"Created\s+\d{4}-\d\d-\d\d \d\d:\d\d\n", facts)
        assert browser.run("document.getElementById('zone').textContent").endswith("(UTC+05:30).")
        browser.resize(390, 844, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        browser.run(f"{row('mine')}.querySelector('.more button').click()")
        assert sorted(browser.run(names)) == ["merged", "mine", "toy"]
        browser.run(f"for (const one of [{row('mine')}, {row('toy')}]) one.querySelector('input').click()")
        open_report(browser, "document.getElementById('compare').click()")
        assert browser.run("document.querySelectorAll('.card').length") == 2
        assert "against mine" in browser.run("document.body.innerText")
    assert browser.problems == []


def test_a_bundle_opens_from_a_disk(browser: Browser, runs: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_bundle([runs], site)
    moved = Path(shutil.copytree(site, tmp_path / "moved"))
    shutil.rmtree(site)
    address = (moved / "index.html").as_uri()
    browser.visit(address)
    assert text(browser, "toy", "state .word") == "finished"
    assert text(browser, "toy", "progress").startswith("8 of 8")
    assert "Comparisons are made by" in browser.run("document.body.innerText")
    open_report(browser, f"{row('random')}.querySelector('a').click()")
    assert videos_play(browser)
    browser.visit(address)
    open_report(browser, "document.querySelector('.study a').click()")
    assert browser.run("document.querySelectorAll('.card').length") == 2
    assert browser.problems == []
    assert browser.requests <= {"file:", "data:", "blob:"}


def test_when_the_program_has_ended_the_page_says_so(browser: Browser, runs: Path) -> None:
    with viewed(runs) as address:
        browser.visit(address)
    browser.wait("!document.getElementById('trouble').hidden")
    assert "No answer" in browser.run("document.getElementById('trouble').textContent")
    assert text(browser, "toy", "state .word") == "finished"
