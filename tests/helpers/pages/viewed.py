"""`mmact-eval view` as a process, and what a test does with its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browser import Browser


@contextmanager
def viewed(folder: Path, *arguments: str) -> Iterator[str]:
    """Serve what is under a folder; the address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmact_eval", "view", str(folder), "--port", "0", *arguments],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = next(match for line in process.stdout if (match := re.search(r"http://\S+", line)))
        yield found[0]
    finally:
        process.kill()
        process.communicate()


def row(name: str) -> str:
    """A JavaScript expression: the row of a run, undefined if there is none."""
    called = f"one.querySelector('td.run a')?.textContent === {json.dumps(name)}"
    return f"[...document.querySelectorAll('#runs tbody tr')].find((one) => {called})"


def text(browser: Browser, name: str, cell: str) -> str:
    """What a cell of a run's row says, "" if there is no row."""
    return str(browser.run(f"{row(name)}?.querySelector('td.{cell}').innerText ?? ''"))


def open_report(browser: Browser, script: str) -> None:
    """Do something that leads to a report, and wait until it is there."""
    browser.run(script)
    browser.wait("document.readyState === 'complete' && document.querySelector('.card') !== null")


def videos_play(browser: Browser) -> bool:
    """Whether the first video of a report's gallery can be played from the middle on."""
    browser.run("document.querySelector('.gallery').scrollIntoView()")
    browser.wait("document.querySelector('.gallery video')?.readyState >= 2")
    return bool(
        browser.run(
            "(async () => { const video = document.querySelector('.gallery video');"
            " const there = new Promise((done) => video.addEventListener('seeked', done, { once: true }));"
            " video.currentTime = video.duration / 2; await there; return video.currentTime > 0; })()"
        )
    )
