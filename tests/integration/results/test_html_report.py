"""The HTML report in a real browser: nothing on the console, nothing from the network, videos that play, filters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find_chromium

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.reports.html import page as html
from mmact_eval.results.reporting import read_report
from mmact_eval.runs.runner import RunRequest, execute

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: apt-get install chromium)")

ARMS = ("toy", "random", "talker")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three arms on the toy suite with all videos; one of them talks and makes images."""
    folder = tmp_path_factory.mktemp("runs")
    talking = Path(__file__).parents[2] / "helpers" / "talking_policies.py"
    policies = {"toy": "toy", "random": "random", "talker": f"{talking}:make"}
    for arm, policy in policies.items():
        execute(
            RunRequest(
                load_suite("toy", ["protocol.replan=4"]), policy, episodes=6, out=folder / arm, video="all",
                options=EngineOptions(workers=2),
            )
        )  # fmt: skip
    return [folder / arm for arm in ARMS]


@pytest.fixture(scope="module")
def page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return html.write(read_report(runs, ARMS), tmp_path_factory.mktemp("page"))[0]


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = find_chromium()
    assert program
    with Browser(program) as found:
        yield found


def count(browser: Browser, selector: str) -> int:
    """Visible elements."""
    script = (
        f"[...document.querySelectorAll({json.dumps(selector)})].filter((node) => node.offsetParent !== null).length"
    )
    return int(browser.run(script))


def choose(browser: Browser, selector: str, value: str, event: str = "change") -> None:
    browser.run(
        f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node.value = {json.dumps(value)}; "
        f"node.dispatchEvent(new Event({json.dumps(event)})); }})()"
    )


def drawn(browser: Browser) -> str:
    """The first task's canvas as an image."""
    return str(browser.run("document.querySelector('.grid canvas').toDataURL()"))


def test_the_page_works(runs: list[Path], page: Path, browser: Browser) -> None:
    (suite,) = read_report(runs, ARMS).suites
    arms, tasks = suite.arms, suite.tasks
    browser.open(page)
    assert browser.run("document.querySelectorAll('.card').length") == 3
    assert "100.0" in browser.run("document.querySelector('.card .big').textContent")

    # Videos come into view, load and play.
    browser.run("document.querySelector('.gallery').scrollIntoView()")
    browser.wait("document.querySelectorAll('.gallery video').length > 0")
    browser.wait("[...document.querySelectorAll('.gallery video')].every((video) => video.readyState >= 1)")
    assert browser.run("document.querySelector('.gallery video').duration") > 0
    browser.run("document.querySelector('.gallery video').click()")
    browser.wait("document.querySelector('.gallery video').currentTime > 0")

    # Filters.
    failures = count(browser, ".clip")
    assert failures > 0
    choose(browser, ".outcome", "S")
    successes = count(browser, ".clip")
    choose(browser, ".outcome", "SFE")
    total = browser.run("document.querySelector('.videos .count').textContent")
    assert total == "36 videos"
    assert count(browser, ".clip") == 12
    browser.run("document.querySelector('.more').click()")
    assert count(browser, ".clip") == 24
    choose(browser, "select.arm", "0")
    assert browser.run("document.querySelector('.videos .count').textContent") == "12 videos"
    assert successes > 0
    choose(browser, ".find", "har", "input")
    assert (count(browser, ".task"), count(browser, ".strip")) == (1, 1)
    choose(browser, ".find", "", "input")
    choose(browser, ".show", "flips")
    shown = browser.run("document.querySelector('.strip .name span').textContent")
    assert shown.endswith("of 6 episodes")
    choose(browser, ".order", "worst")
    solved = {
        task: sum(row.successes for arm in arms for row in arm.summary.rows if row.task == task) for task in tasks
    }
    order = browser.run("[...document.querySelectorAll('.task .name')].map((node) => node.textContent)")
    assert order == sorted(tasks, key=lambda task: solved[task])
    assert browser.problems == []
    assert browser.requests <= {"file:", "blob:", "data:"}


def test_an_episode_opens_with_all_arms_and_what_was_said(page: Path, browser: Browser) -> None:
    browser.open(page)
    browser.run("document.querySelector('.grid').scrollIntoView()")
    browser.run(
        "(() => { const canvas = document.querySelector('.grid canvas'), box = canvas.getBoundingClientRect();"
        "canvas.dispatchEvent(new MouseEvent('click', { clientX: box.x + 14, clientY: box.y + 6 })); })()"
    )
    browser.wait("document.getElementById('episode').open")
    assert count(browser, "#episode .clip") == 3
    text = browser.run("document.getElementById('episode').textContent")
    assert "init state 0, seed 0" in text
    assert "look around [image: PSNR" in text
    browser.wait("[...document.querySelectorAll('#episode img')].every((image) => image.naturalWidth > 0)")
    assert count(browser, "#episode img") > 0
    browser.run("document.querySelector('#episode .close, #episode form button').click()")
    browser.wait("!document.getElementById('episode').open")
    assert browser.problems == []


def test_light_dark_and_phone(page: Path, browser: Browser) -> None:
    browser.open(page)
    browser.run("document.querySelector('.grid').scrollIntoView()")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    browser.prefer("light")
    light, cell = browser.run(background), drawn(browser)
    browser.prefer("dark")
    browser.wait(f"{background} !== {json.dumps(light)}")
    # The grid is drawn again in the colours of the dark theme.
    browser.wait(f"document.querySelector('.grid canvas').toDataURL() !== {json.dumps(cell)}")
    for width in (360, 390, 768):
        browser.resize(width, 800, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.problems == []


def test_large_videos_are_linked_and_load(runs: list[Path], tmp_path: Path, browser: Browser) -> None:
    folder = tmp_path / "a folder with spaces & more"
    folder.mkdir()
    file = folder / "report.html"
    file.write_text(html.render(read_report(runs, ARMS), folder, embed_total=0))
    assert "videos or images are too large for this page" in file.read_text()
    browser.open(file)
    browser.run("document.querySelector('.gallery').scrollIntoView()")
    browser.wait("document.querySelectorAll('.gallery video').length > 0")
    browser.wait("[...document.querySelectorAll('.gallery video')].every((video) => video.readyState >= 1)")
    assert browser.problems == []


def test_many_episodes_stay_usable(tmp_path: Path, browser: Browser) -> None:
    """4 arms × 2,000 episodes: the page is small, and canvases are drawn as they come into view."""
    runs = []
    for arm in range(4):
        run = tmp_path / f"arm{arm}"
        run.mkdir()
        fingerprint = {"suite": {"name": "many"}, "policy": {"name": f"arm {arm}"}, "protocol": {}, "seed": 0}
        (run / "manifest.json").write_text(json.dumps({"fingerprint": fingerprint}))
        records = [
            {"suite": "many", "task": f"task {i % 20}", "init_state": i // 20, "seed": 0, "steps": 50 + i % 90,
             "outcome": "success" if (i * 7919 + arm * 31) % 10 > 2 else "failure", "latencies": [0.01]}
            for i in range(2000)
        ]  # fmt: skip
        (run / "episodes.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
        runs.append(run)
    (file,) = html.write(read_report(runs), tmp_path)
    assert file.stat().st_size < 1_000_000
    browser.open(file)
    sizes = browser.run("[...document.querySelectorAll('.grid canvas')].map((canvas) => canvas.width !== 300)")
    assert len(sizes) == 20
    assert not all(sizes)
    browser.run("document.querySelectorAll('.strip')[19].scrollIntoView()")
    browser.wait("document.querySelectorAll('.grid canvas')[19].width !== 300")
    choose(browser, ".show", "flips")
    assert browser.problems == []


def test_hostile_names_stay_text(tmp_path: Path, browser: Browser) -> None:
    run = tmp_path / "run"
    run.mkdir()
    evil = "</script><script>throw 1</script><img src=x onerror=alert(1)>"
    (run / "manifest.json").write_text(json.dumps({"fingerprint": {"suite": {"name": "s"}, "policy": {"name": evil}}}))
    record = {"suite": "s", "task": evil, "init_state": 0, "seed": 0, "outcome": "error", "error": evil, "steps": 1,
              "artifacts": {"video": "../../../etc/passwd", "plan": "/etc/passwd"}}  # fmt: skip
    (run / "episodes.jsonl").write_text(json.dumps(record) + "\n")
    (file,) = html.write(read_report([run]), tmp_path)
    assert "root:" not in file.read_text()
    browser.open(file)
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert evil in browser.run("document.querySelector('h1').textContent")
    assert browser.problems == []


def test_a_capture_of_the_whole_page_shows_what_nobody_has_scrolled_to(browser: Browser, page: Path) -> None:
    browser.resize(390, 844)
    browser.open(page)
    posters = "(clip) => clip.querySelector('video')?.poster"
    browser.wait(f"[...document.querySelectorAll('.gallery .clip')].every({posters})")
    drawn = "(canvas) => new Uint32Array(canvas.getContext('2d').getImageData(0, 0, 30, 30).data.buffer).some((p) => p)"
    assert browser.run(f"[...document.querySelectorAll('.strip canvas')].every({drawn})")
    assert browser.run("scrollY") == 0
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.run("document.querySelector('.measures .scroll table').scrollWidth") <= 390
    assert browser.problems == []


def test_paper_has_no_folds(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("document.querySelectorAll('details:not([open])').length") > 0
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("document.querySelectorAll('details:not([open]), .gallery .still').length") == 0
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") > 0
