"""Does a result depend on how a run is executed? Run the same episodes in many ways and compare every record.

    python benchmarks/reproducibility.py [--suite libero-goal] [--tasks 0,1] [--episodes 3] [--out FILE.md]

The policy of this file turns the pixels it sees into actions, so a single different pixel would send the robot
elsewhere. The same command is run with 1, 2 and 4 workers, in shuffled orders, in pieces, and while a worker or the
whole run is killed with SIGKILL and started again. Compared are outcome, steps, queries, the hash of the scene and the
hash of the final simulator state of every episode.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from mmact_eval.runs.reading import read_episodes
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query, derive_seed

CHUNK = 5


class PixelPolicy:
    """Actions drawn from a generator that is seeded by every pixel and every bit of the state."""

    def __init__(self, env_spec: EnvSpec) -> None:
        self._dim = env_spec.action.dim
        cameras, state = tuple(env_spec.cameras), tuple(env_spec.state)
        self.spec = PolicySpec("pixel-hash", env_spec.action, chunk=CHUNK, cameras=cameras, state=state)

    def reset(self, episodes: Sequence[Episode]) -> None:
        """It remembers nothing."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """One answer each."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> PolicyOutput:
        seen = [query.observation.images[camera].tobytes() for camera in self.spec.cameras]
        seen += [query.observation.state[key].tobytes() for key in self.spec.state]
        generator = np.random.default_rng(derive_seed(*seen))
        drift = generator.uniform(-1, 1, self._dim)
        return PolicyOutput(np.tile(drift, (CHUNK, 1)).astype(np.float32))


class Case:
    """One way to execute the run."""

    def __init__(self, name: str, flags: Sequence[str] = (), kill: str = "", pieces: int = 1) -> None:
        self.name, self.flags, self.kill, self.pieces = name, list(flags), kill, pieces


CASES = [
    Case("1 worker"),
    Case("2 workers", ["--workers", "2"]),
    Case("4 workers", ["--workers", "4"]),
    Case("2 workers, shuffled", ["--workers", "2", "--shuffle", "1"]),
    Case("1 worker, shuffled, one query a batch", ["--shuffle", "2", "--max-batch", "1"]),
    Case("in three pieces", ["--workers", "2", "--limit", "2"], pieces=3),
    Case("a worker killed with SIGKILL", ["--workers", "2"], kill="worker"),
    Case("the run killed with SIGKILL, then resumed", ["--workers", "2"], kill="run"),
]


Records = dict[str, tuple[object, ...]]
"""The reproducible part of each record, by episode."""


def run_case(case: Case, command: list[str], out: Path) -> tuple[Records, int]:
    """Execute one case.

    Returns:
        The reproducible part of each record, by episode, and the number of attempts that were needed in all.
    """
    full = [*command, *case.flags, "--out", str(out)]
    for _ in range(case.pieces - 1):
        subprocess.run(full, check=True, capture_output=True)
    if case.pieces > 1:
        full = full[: full.index("--limit")] + full[full.index("--limit") + 2 :]
    process = subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if case.kill:
        wait_until(lambda: line_count(out) >= 1 and bool(_workers(process.pid)))
        victim = process.pid if case.kill == "run" else _workers(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        if case.kill == "run":
            process.wait()
            subprocess.run(full, check=True, capture_output=True)
    _, errors = process.communicate()
    if process.returncode and case.kill != "run":
        raise SystemExit(f"{case.name}: exit code {process.returncode}\n{errors.decode()}")
    return records_of(out)


def records_of(out: Path) -> tuple[Records, int]:
    """What a run folder holds, and the number of attempts that were needed in all."""
    results, _ = read_episodes(out)
    return {e.key: r.reproducible() for e, r in results.items()}, sum(r.attempts for r in results.values())


def line_count(out: Path) -> int:
    """How many results a run folder holds."""
    file = out / "episodes.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def _workers(pid: int) -> list[int]:
    answer = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid=,args="], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in answer.stdout.splitlines() if "mmact_eval.engine.local.worker" in line]


def wait_until(true: Callable[[], bool], seconds: float = 300) -> None:
    """Wait.

    Raises:
        SystemExit: in vain.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happened")
        time.sleep(0.05)


class Named(Protocol):
    """A way to execute the run.

    Attributes:
        name: of its row.
    """

    name: str


C = TypeVar("C", bound=Named)


def compared(cases: Iterable[C], run: Callable[[C, Path], tuple[Records, int]]) -> tuple[list[str], bool]:
    """Execute all cases, printing a table as it comes.

    Args:
        cases: the first is what the others are compared with.
        run: executes one in a folder.

    Returns:
        The table's lines, and whether all are equal.
    """
    lines = ["| how the run was executed | episodes | attempts | records equal to the first |", "|---|---|---|---|"]
    reference: Records | None = None
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            records, attempts = run(case, Path(folder) / str(number))
            reference = reference or records
            equal = sum(records.get(key) == value for key, value in reference.items())
            different += equal != len(reference) or len(records) != len(reference)
            lines.append(f"| {case.name} | {len(records)} | {attempts} | {equal} of {len(reference)} |")
            print(lines[-1], flush=True)
    return lines, not different


def arguments(about: str) -> argparse.ArgumentParser:
    """What is run, and where the table goes."""
    parser = argparse.ArgumentParser(description=about.split("\n")[0])
    parser.add_argument("--suite", default="libero-goal")
    parser.add_argument("--tasks", default="0,1")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file too")
    return parser


def command_of(args: argparse.Namespace) -> list[str]:
    """The command of the run, but for its folder and how it is executed."""
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", args.suite, "--tasks", args.tasks]
    command += ["--episodes", str(args.episodes), "--policy", f"{Path(__file__).resolve()}:PixelPolicy"]
    return [*command, "--set", f"protocol.max_steps={args.steps}"]


def asked(args: argparse.Namespace) -> str:
    """What was run, in words."""
    return f"{args.suite}, tasks {args.tasks}, {args.episodes} episodes of {args.steps} steps each"


def main() -> None:
    """Run all cases and compare."""
    args = arguments(__doc__).parse_args()
    command = command_of(args)
    lines, all_equal = compared(CASES, lambda case, out: run_case(case, command, out))
    if args.out:
        title = "# Results do not depend on how a run is executed"
        head = f"{title}\n\n{asked(args)}, by `benchmarks/reproducibility.py`.\n\n"
        args.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    raise SystemExit(0 if all_equal else 1)


if __name__ == "__main__":
    main()
