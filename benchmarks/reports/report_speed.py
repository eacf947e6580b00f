"""How long reports of many episodes take, and how much memory: each format in a process of its own.

    python benchmarks/reports/report_speed.py [--episodes 100000] [--arms 4] [--tasks 10] [--queries 20]
        [--format html …]

The runs are made up: outcomes drawn so that arms differ a little and agree on easy and hard episodes. What is measured
is reading the run folders, statistics, comparing all arms, and writing.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("none", "csv", "markdown", "latex", "json", "eval_info", "html")


def make_runs(folder: Path, episodes: int, arms: int, tasks: int, queries: int) -> list[Path]:
    """Run folders with `episodes` episodes, all arms together."""
    each = episodes // (arms * tasks)
    rng = random.Random(0)
    ease = {(task, i): rng.random() for task in range(tasks) for i in range(each)}
    runs = []
    for arm in range(arms):
        run = folder / f"arm{arm}"
        run.mkdir()
        fingerprint = {
            "suite": {"name": "made-up", "env": "none", "env_args": {}},
            "protocol": {"max_steps": 300, "replan": 8},
            "policy": {"name": f"arm {arm}"},
            "seed": 0,
            "versions": {},
        }
        names = [f"task_{task}_of_the_benchmark" for task in range(tasks)]
        manifest = {"fingerprint": fingerprint, "tasks": names, "episodes_planned": each * tasks}
        (run / "manifest.json").write_text(json.dumps(manifest))
        with open(run / "episodes.jsonl", "w") as stream:
            for (task, i), easy in ease.items():
                solved = easy + rng.gauss(0.0, 0.15) > 0.3 - 0.02 * arm - 0.02 * task
                record = {
                    "suite": "made-up", "task": names[task], "init_state": i, "seed": 0,
                    "outcome": "success" if solved else "failure",
                    "steps": rng.randint(80, 250) if solved else 300,
                    "queries": queries, "scene_hash": f"{task}-{i}", "final_hash": f"{rng.getrandbits(128):032x}",
                    "seconds": rng.uniform(5, 20),
                    "latencies": [round(rng.lognormvariate(-3, 0.3), 6) for _ in range(queries)],
                }  # fmt: skip
                stream.write(json.dumps(record) + "\n")
        runs.append(run)
    return runs


def measure(runs: list[Path], wanted: str, out: Path) -> dict[str, float]:
    """Make one report in this process."""
    from mmact_eval.results.reporting import read_report, write_reports

    start, start_cpu = time.perf_counter(), time.process_time()
    report = read_report(runs)
    read = time.process_time() - start_cpu
    files = [] if wanted == "none" else write_reports(report, out, [wanted])
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - start_cpu,
        "read": read,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "file_mib": sum(file.stat().st_size for file in files) / 2**20,
    }


def main() -> None:
    """Make runs, measure each format, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("episodes", 100_000), ("arms", 4), ("tasks", 10), ("queries", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--format", nargs="*", default=list(FORMATS))
    parser.add_argument("--keep", type=Path, help="where to leave the reports")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        wanted, out, *runs = args.measure
        print(json.dumps(measure([Path(run) for run in runs], wanted, Path(out))))
        return
    with tempfile.TemporaryDirectory() as folder:
        runs = make_runs(Path(folder), args.episodes, args.arms, args.tasks, args.queries)
        out = args.keep or Path(folder) / "out"
        total = args.episodes // (args.arms * args.tasks) * args.arms * args.tasks
        print(f"{total} episodes in {args.arms} arms, {args.tasks} tasks, {args.queries} queries an episode\n")
        print("| format | seconds | seconds of CPU | of these reading and statistics | peak memory | files |")
        print("|---|---|---|---|---|---|")
        for wanted in args.format:
            command = [sys.executable, __file__, "--measure", wanted, str(out), *map(str, runs)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            size = f"{found['file_mib']:.1f} MiB" if wanted != "none" else ""
            times = " | ".join(f"{found[key]:.1f}" for key in ("seconds", "cpu", "read"))
            print(f"| {wanted} | {times} | {found['mib']:.0f} MiB | {size} |", flush=True)


if __name__ == "__main__":
    main()
