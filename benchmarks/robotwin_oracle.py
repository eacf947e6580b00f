"""What RoboTwin's oracle solves on the smoke suite, and whether that depends on how the run was executed.

    python benchmarks/robotwin_oracle.py [--tasks 0-4] [--episodes 5] [--ways 2,1,killed] [--folder DIR] [--out FILE.md]

The same episodes are run in several ways: with 2 workers, with 1, and with 2 while the whole run is killed with SIGKILL
and started again. Compared are outcome, steps, queries, the hash of the scene and of the final simulator state, and the
pixels of all cameras at every query. A folder that is given is kept, and what is done in it is not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from reproducibility import Case, run_case

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.seeds import manifest as seeds
from mmact_eval.policies.robotwin_oracle import make_policy
from mmact_eval.runs.reading import read_episodes
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query

SUITE = "robotwin-smoke"
WAYS = {
    "2": Case("2 workers", ["--workers", "2"]),
    "1": Case("1 worker"),
    "killed": Case("2 workers, the run killed with SIGKILL, then resumed", ["--workers", "2"], kill="run"),
}


class HashingOracle:
    """The oracle; what it says beside its actions is a hash of every pixel of every camera."""

    def __init__(self, env_spec: EnvSpec) -> None:
        self._oracle = make_policy(env_spec, cameras="all")
        self.spec = self._oracle.spec

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Begin these episodes' recordings anew."""
        self._oracle.reset(episodes)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The oracle's answers."""
        answers = self._oracle.act(queries)
        return [
            PolicyOutput(a.actions, text=f"{q.index} {self._hash(q)}") for q, a in zip(queries, answers, strict=True)
        ]

    def _hash(self, query: Query) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for camera in self.spec.cameras:
            digest.update(query.observation.images[camera].tobytes())
        return digest.hexdigest()


def pixels(folder: Path, result: EpisodeResult) -> list[str]:
    """The hash of each query of an episode."""
    lines = (folder / result.artifacts["plan"]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def episode_table(results: Mapping[str, EpisodeResult]) -> list[str]:
    """What came of each task."""
    manifest = seeds.load(RobotwinArgs.parse(load_suite(SUITE).env_args))
    lines = ["| task | seeds tried | accepted | solved | actions | s an episode |", "|---|---|---|---|---|---|"]
    for task in dict.fromkeys(result.episode.task for result in results.values()):
        mine = [result for result in results.values() if result.episode.task == task]
        verdicts = manifest.column(task, 0).verdicts
        accepted = sum(verdict.accepted for verdict in verdicts)
        solved = sum(result.outcome == "success" for result in mine)
        steps, seconds = [r.steps for r in mine], statistics.median(r.seconds for r in mine)
        cells = [
            task,
            len(verdicts),
            accepted,
            f"{solved} of {len(mine)}",
            f"{min(steps)}–{max(steps)}",
            f"{seconds:.0f}",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def main() -> None:
    """Run in every way and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", default="0-4")
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--ways", default="2,1,killed", help=f"some of {','.join(WAYS)}; the first is compared with")
    parser.add_argument("--folder", type=Path, help="keep the runs here")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file too")
    args = parser.parse_args()
    kept = args.folder or Path(tempfile.mkdtemp())
    asked = ["--suite", SUITE, "--tasks", args.tasks, "--episodes", str(args.episodes)]
    subprocess.run([sys.executable, "-m", "mmact_eval", "robotwin", "seeds", *asked, "--workers", "2"], check=True)
    command = [sys.executable, "-m", "mmact_eval", "run", *asked, "--policy", f"{Path(__file__)}:HashingOracle"]

    first: dict[str, tuple[tuple[object, ...], list[str]]] = {}
    tables: list[list[str]] = []
    lines = ["| how the run was executed | episodes | solved | attempts | minutes | equal records | equal pixels |"]
    lines += ["|---|---|---|---|---|---|---|"]
    different = 0
    for way in args.ways.split(","):
        folder, start = kept / way, time.monotonic()
        _, attempts = run_case(WAYS[way], command, folder)
        minutes = (time.monotonic() - start) / 60
        results = {episode.key: result for episode, result in read_episodes(folder)[0].items()}
        seen = {key: (result.reproducible(), pixels(folder, result)) for key, result in results.items()}
        if not first:
            first = seen
            tables.append(episode_table(results))
        records = sum(seen[key][0] == first[key][0] for key in first)
        equal = sum(a == b for key in first for a, b in zip(seen[key][1], first[key][1], strict=True))
        queries = sum(len(hashes) for _, hashes in first.values())
        different += len(first) - records + queries - equal
        solved = sum(result.outcome == "success" for result in results.values())
        lines.append(
            f"| {WAYS[way].name} | {len(results)} | {solved} | {attempts} | {minutes:.1f} | {records} of {len(first)} "
            f"| {equal} of {queries} queries |"
        )
    text = "\n\n".join("\n".join(table) for table in [*tables, lines])
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
