"""The page of a profile in a real browser: light, dark, narrow, and nothing loaded from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser import Browser, find_chromium

from mmact_eval.profiling.plot import roofline
from mmact_eval.profiling.points import Point
from mmact_eval.profiling.profile import Profile
from mmact_eval.profiling.roofline import Roof
from mmact_eval.profiling.row import Memory, Row, Timing, Weights, Work
from mmact_eval.profiling.writing import write


def made_up(batches: tuple[int, ...] = (1, 4, 64)) -> Profile:
    weights = Weights(1000, 4000, {"net": 1000}, {"float32": 1000}, "cpu", "modules")
    rows = [
        Row("batch", batch, Point(batch=batch), "<net>", "random weights", 8, timing=Timing(5, 2.0, 3.0, 2.2, 2.0),
            memory=Memory(100.0, False, None), work=Work(10**6 * batch, 10**5, 0, 10**6), weights=weights)
        for batch in batches
    ]  # fmt: skip
    broken = Row("views", 4, Point(views=4), problem="policy <net> looks at 2 cameras, however many there are")
    roofs = tuple(Roof("cpu", "float32", threads, 1e10 * threads, 1e10) for threads in (1, 2))
    return Profile("net", "toy", "2026-01-01 00:00 UTC", "mmact-eval profile", "a processor", 2, 0.5,
                   {"versions": "1"}, 5, 1, 0, (*rows, broken), roofs)  # fmt: skip


def test_points_lie_below_what_the_device_can_do() -> None:
    plot = roofline(made_up())
    assert plot is not None
    assert [dot.number for dot in plot.dots] == [1, 2, 3]
    assert [dot.x for dot in plot.dots] == sorted(dot.x for dot in plot.dots)  # more for a byte in larger batches
    tops = [float(line.points.rsplit(",", 1)[1]) for line in plot.roofs]
    assert len(set(tops)) == 2
    assert len({line.dashed for line in plot.roofs}) == 2


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: apt-get install chromium)")
def test_the_page_shows_the_plot_in_light_and_dark_and_on_a_phone(tmp_path: Path) -> None:
    page = next(file for file in write(made_up(), tmp_path) if file.suffix == ".html")
    program = find_chromium()
    assert program
    with Browser(program) as browser:
        browser.visit(page.resolve().as_uri(), "true")
        assert browser.run("document.querySelectorAll('svg circle').length") == 3
        assert browser.run("document.querySelectorAll('svg polyline').length") == 2
        text = browser.run("document.body.innerText")
        assert "policy <net> looks at 2 cameras" in text
        assert "random weights" in text
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            dot, ink, paper = json.loads(
                browser.run(
                    "JSON.stringify([getComputedStyle(document.querySelector('circle')).fill, "
                    "getComputedStyle(document.querySelector('.roof')).stroke, "
                    "getComputedStyle(document.querySelector('svg')).backgroundColor])"
                )
            )
            assert len({dot, ink, paper}) == 3
        for width in (360, 1200):
            browser.resize(width, 800, mobile=width < 500)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.problems == []
        assert browser.requests <= {"file:", "data:"}
