"""`mmact-eval verify`: does an environment equal its upstream loop, bit for bit?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmact_eval.errors import UsageError

if TYPE_CHECKING:
    from mmact_eval.protocols import VerifyRow

_HEADER = ("suite", "task", "seed mode", "episodes", "scene", "images", "states", "final state", "upstream", "ours")


def _cells(suite: str, row: VerifyRow) -> tuple[str, ...]:
    equal = ["equal" if same else "DIFFERENT" for same in
             (row.scene_equal, row.images_equal, row.states_equal, row.final_equal)]  # fmt: skip
    seconds = (f"{row.seconds_upstream:.1f} s", f"{row.seconds_ours:.1f} s")
    return (suite, row.task, row.seed_mode, str(row.episodes), *equal, *seconds)


@click.command(
    "verify",
    epilog="""\b
Examples:
  mmact-eval verify --suite libero-goal --tasks 0,3
  mmact-eval verify --suite libero-spatial --suite libero-long --out verify.md
Exit code: 0 everything equal, 1 something differs.""",
)
@click.option("--suite", "suite_names", required=True, multiple=True, help="A suite; may be repeated.")
@click.option("--tasks", help="Task numbers, ranges, names or patterns.  [default: all]")
@click.option("--episodes", type=click.IntRange(min=1), default=2, show_default=True, help="Episodes a task.")
@click.option("--steps", type=click.IntRange(min=1), default=20, show_default=True, help="Actions an episode.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the suite.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the table to this Markdown file too.")
def command(
    suite_names: tuple[str, ...], tasks: str | None, episodes: int, steps: int, overrides: tuple[str, ...],
    out: Path | None,
) -> int:  # fmt: skip
    """Run the unmodified upstream loop and ours side by side, and compare every bit.

    Compared are the scene after each reset, every image and state vector at each chunk, and the simulator's final
    state, in both seed modes; ours runs the episodes in reverse order.
    """
    from mmact_eval import registry
    from mmact_eval.plan import select_tasks, suite_tasks
    from mmact_eval.suite import load_suite

    todo: list[tuple[Any, Any, Any]] = []
    for name in suite_names:
        suite = load_suite(name, overrides)
        plugin = registry.env_plugin(suite.env)
        if not hasattr(plugin, "verify"):
            raise UsageError(f'environment "{suite.env}" has no upstream loop to be compared with.')
        todo.append((suite, plugin, select_tasks(suite_tasks(plugin, suite), tasks)))

    rows: list[tuple[str, VerifyRow]] = []
    prepared: dict[str, str] = {}
    try:
        for suite, plugin, chosen in todo:
            prepared |= plugin.prepare_process(0, 1)
            for row in plugin.verify(suite, chosen, episodes=episodes, steps=steps):
                rows.append((suite.name, row))
                click.echo("  ".join(_cells(suite.name, row)) + (f"  {row.detail}" if row.detail else ""))
    finally:
        if out is not None and rows:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(_markdown(rows, todo, prepared, steps), encoding="utf-8")
    different = sum(not row.equal for _, row in rows)
    click.echo(f"{len(rows) - different} of {len(rows)} comparisons equal, bit for bit.")
    return 1 if different else 0


def _markdown(
    rows: Sequence[tuple[str, VerifyRow]], todo: Sequence[tuple[Any, Any, Any]], prepared: dict[str, str], steps: int
) -> str:
    equal = sum(row.equal for _, row in rows)
    versions = {name: version for _, plugin, _ in todo for name, version in plugin.versions().items()}
    lines = [
        "# Our loop against the upstream loop",
        "",
        f"{equal} of {len(rows)} comparisons equal, bit for bit: scene after reset, images and state vectors at every "
        f"chunk of 10 actions, final simulator state, {steps} actions an episode. The upstream loop is unmodified "
        "(hard reset, rendering at every step) and runs the episodes in order; ours runs them in reverse order. "
        "Seconds include construction.",
        "",
        "Made with `mmact-eval verify " + " ".join(f"--suite {suite.name}" for suite, _, _ in todo) + " --out …`; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "; " + ", ".join(f"{key}: {value}" for key, value in prepared.items()) + ".",
        "",
        "| " + " | ".join(_HEADER) + " |",
        "|" + "---|" * len(_HEADER),
    ]  # fmt: skip
    lines += ["| " + " | ".join(_cells(suite, row)) + " |" for suite, row in rows]
    return "\n".join(lines) + "\n"
