"""`mmact-eval verify`: does an environment equal its upstream loop, bit for bit, and settle as published?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmact_eval.errors import UsageError
from mmact_eval.machine.whole_file import write_whole

if TYPE_CHECKING:
    from mmact_eval.protocols import EnvPlugin, SettleRow, Task, VerifyRow
    from mmact_eval.suite import Suite

_LOOP_HEADER = (
    *("suite", "task", "seed mode", "episodes", "scene", "images", "states", "final state"),
    *("upstream", "ours"),
)
_SETTLE_HEADER = ("suite", "task", "scenes", "largest distance", "object", "not at rest")


@dataclass
class _Checked:
    """What was compared so far.

    Attributes:
        loop: (suite, row) of the comparison with the upstream loop.
        settled: (suite, row) of the comparison with recorded scenes.
        prepared: what the processes were prepared with, e.g. the GL backend.
    """

    loop: list[tuple[str, VerifyRow]] = field(default_factory=list)
    settled: list[tuple[str, SettleRow]] = field(default_factory=list)
    prepared: dict[str, str] = field(default_factory=dict)

    @property
    def verdicts(self) -> list[str]:
        """A sentence for each of the two, if anything was compared."""
        found = []
        if self.loop:
            equal = sum(row.equal for _, row in self.loop)
            found.append(f"{equal} of {len(self.loop)} comparisons with the upstream loop equal, bit for bit.")
        if self.settled:
            equal = sum(row.equal for _, row in self.settled)
            scenes = sum(row.scenes for _, row in self.settled)
            found.append(f"{equal} of {len(self.settled)} tasks ({scenes} scenes) settle as in the published physics.")
        return found

    @property
    def all_equal(self) -> bool:
        """Whether nothing differs."""
        return all(row.equal for _, row in self.loop) and all(row.equal for _, row in self.settled)


_Todo = Sequence[tuple["Suite", "EnvPlugin", "list[Task]"]]


def _loop_cells(suite: str, row: VerifyRow) -> tuple[str, ...]:
    equal = ["equal" if same else "DIFFERENT" for same in
             (row.scene_equal, row.images_equal, row.states_equal, row.final_equal)]  # fmt: skip
    seconds = (f"{row.seconds_upstream:.1f} s", f"{row.seconds_ours:.1f} s")
    return (suite, row.task, row.seed_mode, str(row.episodes), *equal, *seconds)


def _settle_cells(suite: str, row: SettleRow) -> tuple[str, ...]:
    gap = f"{1000 * row.gap:.1f} mm" + ("" if row.equal else " DIFFERENT")
    return (suite, row.task, str(row.scenes), gap, row.worst, "; ".join(row.remarks) or "–")


@click.command(
    "verify",
    epilog="""\b
Examples:
  mmact-eval verify --suite libero-goal --tasks 0,3
  mmact-eval verify --suite libero-spatial --suite libero-long --out verify.md
  mmact-eval verify --suite libero-long --settle-only --set env_args.physics=any
Exit code: 0 everything equal, 1 something differs.""",
)
@click.option("--suite", "suite_names", required=True, multiple=True, help="A suite; may be repeated.")
@click.option("--tasks", help="Task numbers, ranges, names or patterns.  [default: all]")
@click.option("--episodes", type=click.IntRange(min=1), default=2, show_default=True, help="Episodes per task.")
@click.option("--steps", type=click.IntRange(min=1), default=20, show_default=True, help="Actions per episode.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the suite.")
@click.option("--settle-only", is_flag=True, help="Only compare where objects come to rest; quick, nothing is drawn.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the tables to this Markdown file too.")
def command(
    suite_names: tuple[str, ...], tasks: str | None, episodes: int, steps: int, overrides: tuple[str, ...],
    settle_only: bool, out: Path | None,
) -> int:  # fmt: skip
    """Run the unmodified upstream loop and ours side by side, and compare every bit.

    Compared are the scene after each reset, every image and state vector at each chunk, and the simulator's final
    state, in both seed modes; ours runs the episodes in reverse order. Two loops on one physics agree whichever it
    is, so where objects come to rest is then compared with recordings made in that of the published numbers.
    """
    from mmact_eval import registry
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.optional import Verifies
    from mmact_eval.runs.episodes import select_tasks, suite_tasks

    if out is not None:
        _require_writable(out)
    todo: list[tuple[Suite, EnvPlugin, list[Task]]] = []
    for name in suite_names:
        suite = load_suite(name, overrides)
        plugin = registry.env_plugin(suite.env)
        if not isinstance(plugin, Verifies):
            raise UsageError(f'environment "{suite.env}" has no upstream loop to be compared with.')
        plugin.spec(suite)  # says so if the installed physics is not the one asked for
        todo.append((suite, plugin, select_tasks(suite_tasks(plugin, suite), tasks)))

    checked = _Checked()
    problem = ""
    try:
        for line in _check(todo, checked, None if settle_only else (episodes, steps)):
            click.echo("  ".join(line))
    finally:
        if out is not None and (checked.loop or checked.settled):
            problem = _write(out, _markdown(checked, todo, steps))
    click.echo("\n".join(checked.verdicts) or "Nothing was compared.")
    if problem:
        click.echo(f"Error: {problem}", err=True)
    return 0 if checked.all_equal and not problem else 1


def _require_writable(out: Path) -> None:
    """Find out before the comparisons, which take minutes, that the table cannot be written after them.

    Raises:
        UsageError: it cannot.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        there = out.exists()
        with open(out, "a", encoding="utf-8"):
            pass
        if not there:
            out.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}. Choose another file with --out.") from error


def _write(out: Path, text: str) -> str:
    """Write the table; why not, or ""."""
    try:
        write_whole(out, text)
    except OSError as error:
        return f"cannot write {out}: {error.strerror}."
    return ""


def _check(todo: _Todo, checked: _Checked, loop: tuple[int, int] | None) -> Iterator[tuple[str, ...]]:
    """Compare, and yield each row's cells.

    Args:
        todo: suite, plug-in and tasks.
        checked: takes the rows.
        loop: episodes and steps for the comparison with the upstream loop, None to leave it out.
    """
    from mmact_eval.optional import Settles, Verifies

    for suite, plugin, tasks in todo:
        checked.prepared |= plugin.prepare_process(0, 1)
        if loop is not None and isinstance(plugin, Verifies):
            yield _LOOP_HEADER
            for row in plugin.verify(suite, tasks, episodes=loop[0], steps=loop[1]):
                checked.loop.append((suite.name, row))
                yield (*_loop_cells(suite.name, row), *([row.detail] if row.detail else []))
        if not isinstance(plugin, Settles):
            continue
        yield _SETTLE_HEADER
        for settled in plugin.settle(suite, tasks):
            checked.settled.append((suite.name, settled))
            yield _settle_cells(suite.name, settled)


def _markdown(checked: _Checked, todo: _Todo, steps: int) -> str:
    versions = {name: version for _, plugin, _ in todo for name, version in plugin.versions().items()}
    lines = [
        "# Our loop against the upstream loop",
        "",
        *checked.verdicts,
        "",
        "Made with `mmact-eval verify " + " ".join(f"--suite {suite.name}" for suite, _, _ in todo) + " --out …`; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "; " + ", ".join(f"{key}: {value}" for key, value in checked.prepared.items()) + ".",
    ]  # fmt: skip
    if checked.settled:
        lines += [
            "",
            "## Where objects come to rest",
            "",
            "After ten settle steps, against the recording of upstream's loop on MuJoCo 3.2.3; within 2 mm is equal.",
            "",
            *_table(_SETTLE_HEADER, [_settle_cells(suite, row) for suite, row in checked.settled]),
        ]
    if checked.loop:
        lines += [
            "",
            "## Bit for bit",
            "",
            "Compared are the scene after reset, images and state vectors at every chunk of 10 actions, and the final "
            f"simulator state, {steps} actions per episode. The upstream loop is unmodified (hard reset, rendering at "
            "every step) and runs the episodes in order; ours runs them in reverse. Seconds include construction.",
            "",
            *_table(_LOOP_HEADER, [_loop_cells(suite, row) for suite, row in checked.loop]),
        ]
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
