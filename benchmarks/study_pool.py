"""What a study gains from running its arms over one pool of workers.

    python benchmarks/study_pool.py [--study action-bins] [--tasks 0-1] [--episodes 2] [--workers 2] [--json FILE]

Runs the same study twice on this machine, arm by arm and together, checks that every episode came to the same, and
prints both times and their ratio. What is saved is the start of the workers and the compilation of each environment in
every arm but one, and the wait for the slowest worker at each arm's end; so the gain shrinks as episodes are added.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from mmact_eval.engine.options import EngineOptions
from mmact_eval.studies.arms import Asked, plan
from mmact_eval.studies.execute import Together, run_study
from mmact_eval.studies.study_file import load_study


def measure(asked: Asked, study: str, together: Together, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the study; what it took, and what each arm's episodes came to."""
    planned = plan(load_study(study), asked, folder)
    start, cpu = time.perf_counter(), _cpu_seconds()
    outcomes = run_study(planned, together=together)
    seconds, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
    results = {outcome.arm.name: outcome.run.results if outcome.run else [] for outcome in outcomes}
    row = {
        "together": together,
        "arms": len(results),
        "episodes": sum(map(len, results.values())),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rollout_seconds": sum(result.seconds for arm in results.values() for result in arm),
    }
    return row, {name: [result.reproducible() for result in arm] for name, arm in results.items()}


def _cpu_seconds() -> float:
    """Processor time of this process and of those it has waited for."""
    import resource

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--study", default="action-bins", help="name or YAML file (default action-bins)")
    parser.add_argument("--tasks", default="0-1", help="as for `ablate` (default 0-1)")
    parser.add_argument("--episodes", type=int, default=2, help="episodes a task (default 2)")
    parser.add_argument("--workers", type=int, default=2, help="simulator processes (default 2)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="as for `ablate`")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()

    asked = Asked(
        tasks=args.tasks, episodes=args.episodes, overrides=args.overrides, options=EngineOptions(workers=args.workers)
    )
    print(f"{args.study}, tasks {args.tasks}, {args.episodes} episodes a task, {args.workers} workers")
    print("  together     arms  episodes  seconds  of these in rollouts, all workers  CPU seconds")
    rows, results = [], []
    with tempfile.TemporaryDirectory() as folder:
        for together in ("none", "same-policy"):
            row, result = measure(asked, args.study, together, Path(folder) / together)  # type: ignore[arg-type]
            rows.append(row)
            results.append(result)
            print(
                f"  {together:11s}  {row['arms']:4d}  {row['episodes']:8d}  {row['seconds']:7.1f}  "
                f"{row['rollout_seconds']:32.1f}  {row['cpu_seconds']:11.1f}"
            )
    print(f"  {rows[0]['seconds'] / rows[1]['seconds']:.2f} times as fast, "
          f"{rows[0]['cpu_seconds'] / rows[1]['cpu_seconds']:.2f} times less processor time; "
          f"results {'are the same' if results[0] == results[1] else 'DIFFER'}")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
