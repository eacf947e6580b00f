"""How long `mmact-eval view` takes to show many runs, and what it needs for them.

    python benchmarks/reports/view_scale.py [--runs 200] [--episodes 2000] [--folder DIR] [--json FILE]

Makes run folders as runs write them (a fifth of them with errors, one that is damaged), starts the program as a user
would, opens its page in a headless Chromium and measures: to the address, to the first rows on the screen, to the last
episode counted; what typing into the search box takes; the program's memory. With --folder the runs are kept and found
again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mmact_eval.runs.fingerprint import digest

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers" / "pages"))

POLICIES = ("mmact-nano", "expert", "random", "openvla", "a-policy-with-a-rather-long-name-and-its-checkpoint")
SUITES = ("libero-spatial", "libero-object", "libero-goal", "libero-long")


def make_runs(folder: Path, runs: int, episodes: int) -> None:
    """Run folders with lines as long as those of LIBERO."""
    rng = np.random.default_rng(0)
    latencies = [round(float(value), 6) for value in rng.uniform(0.08, 0.2, 35)]
    for number in range(runs):
        suite, policy = SUITES[number % len(SUITES)], POLICIES[number % len(POLICIES)]
        run = folder / suite / f"{policy}-seed{number}"
        run.mkdir(parents=True)
        fingerprint = {"suite": {"name": suite, "env": "libero"}, "protocol": {"max_steps": 280}, "seed": number}
        manifest = {
            "schema": 1, "manifest_version": 1, "created": f"2026-01-{1 + number % 28:02d}T12:00:00+00:00",
            "fingerprint": fingerprint, "suite": {"name": suite, "env": "libero"}, "policy": {"name": policy},
            "seed": number, "tasks": [f"task_{k}" for k in range(10)], "episodes_planned": episodes,
            "command": ["mmact-eval", "run", "--suite", suite, "--policy", policy],
        }  # fmt: skip
        (run / "manifest.json").write_text(json.dumps(manifest))
        session = {
            "time": manifest["created"],
            "event": "start",
            "options": {"workers": 8},
            "machine": {"host": "node1"},
        }
        (run / "sessions.jsonl").write_text(json.dumps(session) + "\n")
        done = episodes if number % 3 else episodes // 2
        with open(run / "episodes.jsonl", "w") as stream:
            for k in range(done):
                stream.write(_line(suite, k, rng, latencies, number % 5 == 0, digest(fingerprint)))
    (folder / "damaged").mkdir()
    (folder / "damaged" / "episodes.jsonl").write_text("{}\n")


def _line(suite: str, k: int, rng: np.random.Generator, latencies: list[float], errors: bool, made_with: str) -> str:
    broken = errors and k % 100 == 0
    outcome = "error" if broken else "success" if rng.random() < 0.7 else "failure"
    record = {
        "suite": suite, "task": f"task_{k % 10}", "init_state": k // 10, "seed": 0, "outcome": outcome, "steps": 280,
        "queries": 35, "scene_hash": f"{k:032x}", "final_hash": f"{k + 1:032x}",
        "error_kind": "crash" * broken, "error": "the worker process died of signal 9" * broken, "scene_remarks": [],
        "attempts": 1, "seconds": 41.5, "env_seconds": 30.1, "wait_seconds": 11.2, "latencies": latencies,
        "artifacts": {}, "executed": [8] * 35, "short_answers": 0, "beyond_range": 0, "farthest": 0.0,
        "digest": made_with,
    }  # fmt: skip
    return json.dumps(record) + "\n"


def measure(folder: Path) -> dict[str, Any]:
    """Start the program, look at it and end it."""
    from browser import Browser, find_chromium

    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium here (Debian: apt-get install chromium)")
    with Browser(chromium) as browser:
        began = time.perf_counter()
        program = subprocess.Popen(
            [sys.executable, "-m", "mmact_eval", "view", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert program.stdout is not None
            address = re.search(r"http://\S+", program.stdout.readline())
            assert address is not None
            found: dict[str, Any] = {"address_s": time.perf_counter() - began}
            opened = time.perf_counter()
            browser.send("Page.navigate", url=address[0])
            browser.wait("document.querySelectorAll('#runs tbody tr').length > 20")
            found["first_rows_s"] = time.perf_counter() - opened
            found["first_paint_ms"] = browser.run(
                "performance.getEntriesByType('paint').find((one) => one.name === 'first-contentful-paint').startTime"
            )
            browser.wait("document.documentElement.dataset.ready === 'yes'")
            found["all_counted_s"] = time.perf_counter() - began
            found["search_ms"] = browser.run(
                "(() => { const t = performance.now(), box = document.getElementById('find'); box.value = 'expert';"
                " box.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight;"
                " return performance.now() - t; })()"
            )
            found["rows_after_search"] = browser.run("document.querySelectorAll('#runs tbody tr:not(.details)').length")
            found["page_heap_mib"] = browser.run("performance.memory.usedJSHeapSize / 2**20")
            found["answer_ms"] = browser.run(
                "(async () => { const t = performance.now(); await (await fetch('api/changes')).json();"
                " return performance.now() - t; })()"
            )
            status = Path(f"/proc/{program.pid}/status").read_text()
            found["program_mib"] = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
            found["program_peak_mib"] = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
            stat = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
            found["program_cpu_s"] = (int(stat[11]) + int(stat[12])) / 100
        finally:
            program.terminate()
            program.wait()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where the runs are made, or were before")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "runs"
        if not folder.exists():
            folder.mkdir(parents=True)
            make_runs(folder, args.runs, args.episodes)
        found = measure(folder)
    print(f"{args.runs} runs of up to {args.episodes} episodes")
    for name, value in found.items():
        print(f"  {name:20} {value:10.2f}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
