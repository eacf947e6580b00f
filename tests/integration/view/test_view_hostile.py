"""Folders that somebody else has filled: no name runs a script, no path leads out, in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="pip install 'mmact-eval[view]'")
pytest.importorskip("uvicorn", reason="pip install 'mmact-eval[view]'")

from browser import Browser, find_chromium
from viewed import open_report, viewed

from mmact_eval.config.suite_file import load_suite
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.view.bundle import write_bundle

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: apt-get install chromium)")

SCRIPT = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2>"
NAME = "<img src=x onerror=window.hacked=3>"
"""A folder's, which cannot hold a slash."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "runs"
    execute(RunRequest(load_suite("toy"), "toy", episodes=2, out=folder / "plain", video="all"))
    hostile = folder / f"\"'>{NAME}" / NAME
    hostile.parent.mkdir()
    shutil.copytree(folder / "plain", hostile)
    manifest = json.loads((hostile / "manifest.json").read_text())
    manifest["policy"] |= {"name": SCRIPT, "not_real": SCRIPT, "target": SCRIPT, "checkpoint": SCRIPT}
    manifest["suite"] |= {"title": SCRIPT, "env": SCRIPT}
    manifest["env"] |= {"name": SCRIPT, "not_real": SCRIPT}
    manifest |= {"command": [SCRIPT], "created": SCRIPT, "tasks": [SCRIPT, "x" * 300]}
    manifest["versions"] |= {SCRIPT: SCRIPT}
    (hostile / "manifest.json").write_text(json.dumps(manifest))
    lines = [json.loads(line) for line in (hostile / "episodes.jsonl").read_text().splitlines()]
    for line in lines:
        line["task"] += SCRIPT
    lines[0]["artifacts"]["video"] = f"videos/{SCRIPT}.mp4"
    lines[1] |= {"outcome": "error", "error_kind": SCRIPT, "error": SCRIPT}
    lines[2]["artifacts"] |= {SCRIPT: "../../../../etc/passwd", "plan": "plan.jsonl", "image": "evil.svg"}
    (hostile / "plan.jsonl").write_text(json.dumps({"step": 0, "text": SCRIPT, "image": "evil.svg"}) + "\n")
    (hostile / "evil.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='window.hacked=4'/>")
    (hostile / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    live = {"state": "failed", "why": SCRIPT, "host": SCRIPT, "processes": [{"kind": SCRIPT}]}
    (hostile / "live.json").write_text(json.dumps(live))
    (hostile / "sessions.jsonl").write_text(
        json.dumps({"event": "start", "time": SCRIPT, "machine": {"host": SCRIPT, "cpu": SCRIPT, "gpus": [SCRIPT]}})
        + "\n"
    )
    shutil.copytree(hostile, folder / "study" / "arm")
    (folder / "study" / "study.json").write_text(
        json.dumps({"title": SCRIPT, "baseline": "arm", "arms": {"arm": {"label": SCRIPT}, SCRIPT: {}}})
    )
    (folder / "damaged").mkdir()
    (folder / "damaged" / "episodes.jsonl").write_text("")
    (folder / "damaged" / "manifest.json").write_text(json.dumps({"fingerprint": {}, "env": SCRIPT}))
    return folder


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = find_chromium()
    assert program
    with Browser(program) as found:
        yield found


def clean(browser: Browser) -> bool:
    """Whether nothing of the folders ran; what loads from elsewhere would be among the browser's problems."""
    return browser.run("window.hacked === undefined && document.querySelectorAll('img[src=x]').length === 0") is True


def test_nothing_in_a_list_or_a_report_runs(browser: Browser, runs: Path) -> None:
    with viewed(runs) as address:
        browser.visit(address)
        browser.run("for (const one of document.querySelectorAll('td.more button')) one.click()")
        assert NAME in browser.run("document.body.innerText")
        assert SCRIPT in browser.run("document.body.innerText")
        assert clean(browser)
        browser.resize(390, 844, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        browser.resize(1200, 900)
        links = browser.run("[...document.querySelectorAll('td.run a[href], .study a[href]')].map((one) => one.href)")
        assert len(links) == 4
        for link in links:
            open_report(browser, f"location.href = {json.dumps(link)}")
            assert clean(browser)
            browser.visit(address)
        browser.run("for (const one of document.querySelectorAll('#runs input:enabled')) one.click()")
        browser.run("document.getElementById('compare').click()")
        browser.wait("!document.getElementById('runs') && document.readyState === 'complete'")
        assert clean(browser)
    assert browser.problems == []


def test_even_a_script_in_a_report_could_do_nothing(browser: Browser, runs: Path) -> None:
    with viewed(runs) as address:
        browser.visit(address)
        link = browser.run("document.querySelector('td.run a[href]').href")
        open_report(browser, f"location.href = {json.dumps(link)}")
        assert browser.run("window.origin") == "null", "it has an origin of its own"
        browser.run(
            "(() => { const one = document.createElement('script'); one.textContent = 'window.hacked = 5';"
            " document.body.append(one); })()"
        )
        assert browser.run("window.hacked") is None
        asked = f"fetch({json.dumps(address + 'api/changes')}).then(() => 'told', () => 'refused')"
        assert browser.run(asked) == "refused"


def test_nothing_in_a_bundle_runs(browser: Browser, runs: Path, tmp_path: Path) -> None:
    write_bundle([runs], tmp_path / "site")
    browser.visit((tmp_path / "site" / "index.html").as_uri())
    browser.run("for (const one of document.querySelectorAll('td.more button')) one.click()")
    assert clean(browser)
    links = browser.run("[...document.querySelectorAll('td.run a[href], .study a[href]')].map((one) => one.href)")
    assert len(links) == 4
    for link in links:
        open_report(browser, f"location.href = {json.dumps(link)}")
        assert clean(browser)
        browser.visit((tmp_path / "site" / "index.html").as_uri())
    assert browser.problems == []
    assert not [file for file in (tmp_path / "site").rglob("*") if file.suffix == ".svg" or "passwd" in file.name]
