"""What can be solved at all? The scripted expert on whole suites: the ceiling against which a policy's 0 % is read.

    python benchmarks/expert_ceiling.py --episodes 20 --workers 2
    python benchmarks/expert_ceiling.py --suites libero-90 --episodes 5

Runs `mmact-eval run --suite … --policy expert` for each suite (a run that was stopped goes on) and writes the tables
between the markers of docs/expert.md; what stands around them is for people to write. For each task below one half a
strip of frames of its first failure is drawn into docs/expert/.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mmact_eval.results.reporting import summarize_folder
from mmact_eval.results.summary import Row, Summary
from mmact_eval.runs.reading import read_episodes

MAIN = ("libero-spatial", "libero-object", "libero-goal", "libero-long")
BEGIN, END = "<!-- tables: written by benchmarks/expert_ceiling.py -->", "<!-- end of tables -->"
LOW = 0.5
FRAMES = 6


def run(suite: str, arguments: argparse.Namespace, *flags: str) -> Path:
    """Run (or go on with) the expert on a suite; returns the run folder."""
    folder: Path = arguments.runs / suite
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", suite, "--policy", "expert"]
    command += ["--workers", str(arguments.workers), "--episodes", str(arguments.episodes), "--out", str(folder)]
    print(" ".join(command[1:]), *flags, flush=True)
    if subprocess.run([*command, *flags], check=False).returncode > 1:
        raise SystemExit(f"{suite}: the run failed")
    return folder


def percent(rate: float) -> str:
    """Of a rate that may be NaN."""
    return "–" if math.isnan(rate) else f"{100 * rate:.1f}"


def interval(row: Row) -> str:
    """The exact interval in per cent."""
    return f"{100 * row.low:.1f}–{100 * row.high:.1f}"


def low_tasks(summary: Summary) -> list[Row]:
    """Tasks solved in fewer than half of all episodes, errors counted as not solved."""
    return [row for row in summary.rows if row.episodes and row.rate_all < LOW]


def tables(summaries: Sequence[Summary]) -> list[str]:
    """The suites, then every task, as Markdown."""
    lines = ["| suite | solved | rate | 95 % interval | errors | steps |", "|---|---|---|---|---|---|"]
    for summary in summaries:
        total = summary.total
        lines.append(
            f"| {summary.suite} | {total.successes}/{total.episodes} | {percent(total.rate_all)} | {interval(total)} |"
            f" {total.errors} | {total.steps_success:.0f} |"
        )
    for summary in summaries:
        lines += ["", f"### {summary.suite}", "", "| task | solved | errors | steps |", "|---|---|---|---|"]
        for row in summary.rows:
            steps = "–" if math.isnan(row.steps_success) else f"{row.steps_success:.0f}"
            name = row.task.replace("_", " ")
            lines.append(f"| {name} | {row.successes}/{row.episodes} | {row.errors} | {steps} |")
    return lines


def failure_strip(suite: str, task: str, arguments: argparse.Namespace, folder: Path) -> Path | None:
    """Frames of the first failure of a task, side by side; None if only errors are to be had."""
    import imageio.v3 as iio
    import numpy as np

    results, _ = read_episodes(arguments.runs / suite)
    failed = [e for e, r in sorted(results.items()) if e.task == task and r.outcome == "failure"]
    if not failed:
        return None
    first = failed[0]
    videos = arguments.runs / f"{suite}-failures" / task[:60]
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", suite, "--policy", "expert", "--tasks", task]
    command += ["--video", "failures", "--episodes", str(first.init_state + 1), "--out", str(videos)]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    files = sorted(videos.glob("videos/*/*-failure.mp4"))
    if not files:
        return None
    frames = iio.imread(files[0])
    chosen = [frames[round(i * (len(frames) - 1) / (FRAMES - 1))] for i in range(FRAMES)]
    file = folder / f"{suite}-{task[:80]}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(file, np.concatenate(chosen, axis=1), quality=80)
    return file


def main() -> None:
    """Run, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", default=",".join(MAIN), help="suites to run, comma-separated")
    parser.add_argument("--episodes", type=int, default=20, help="first init states of each task")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/expert"), help="where the runs are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/expert.md"), help="the document with the markers")
    parser.add_argument("--table-only", action="store_true", help="of what is in --runs, without running anything")
    parser.add_argument("--pictures", action="store_true", help="draw the failures of tasks below one half")
    arguments = parser.parse_args()

    if not arguments.table_only:
        for suite in arguments.suites.split(","):
            run(suite, arguments)
    folders = sorted(file.parent for file in arguments.runs.glob("*/manifest.json"))
    order = {name: place for place, name in enumerate(MAIN)}
    folders.sort(key=lambda folder: (order.get(folder.name, len(order)), folder.name))
    summaries = [summarize_folder(folder) for folder in folders]
    lines = tables(summaries)
    for summary in summaries:
        for row in low_tasks(summary):
            print(f"below one half: {summary.suite} {row.task} {row.successes}/{row.episodes}, {row.errors} errors")
            if arguments.pictures:
                picture = failure_strip(summary.suite, row.task, arguments, arguments.out.with_suffix(""))
                print("  ", picture or "only errors, no picture")
    text = arguments.out.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    arguments.out.write_text(before + "\n".join([BEGIN, "", *lines, "", END]) + after, encoding="utf-8")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
