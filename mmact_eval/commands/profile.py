"""`mmact-eval profile`: what does asking a policy cost?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mmact_eval.commands.common.options import parse_assignments, pick_options, stopped_safely
from mmact_eval.commands.common.values import parse_value
from mmact_eval.errors import UsageError


@click.command(
    "profile",
    epilog="""\b
Examples:
  mmact-eval profile --suite libero-object --policy mmact
  mmact-eval profile --suite libero-object --policy mmact --batch 1,2,4 --threads 1,2 --out profile/
  mmact-eval profile --suite libero-object --policy mmact --vary policy_args.steps=1,4,24 --vary instruction_words=4,64
  mmact-eval profile --suite libero-object --policy mmact-shape --vary views=1,2,3,4     # 8 billion numbers, no weights
  mmact-eval profile --suite toy --policy my_policy.py:make --queries 100
No simulator is started: observations are made up, of the sizes that the suite's environment has. One thing is varied
at a time, around a base point: the first of --batch and --threads, and what the policy does by default.
What can be varied: batch, threads, views, image_size (pixels), instruction_words, policy_args.NAME. See
docs/profile.md. Exit code: 0 done, 1 the policy failed, 2 something asked for does not exist or does not fit.""",
)
@pick_options("config", "suite", "policy", "policy_args", "overrides", "seed")
@click.option("--queries", type=click.IntRange(min=1), default=20, show_default=True,
              help="Calls that are timed at each point.")  # fmt: skip
@click.option("--warm-up", type=click.IntRange(min=0), default=3, show_default=True,
              help="Calls before those.")  # fmt: skip
@click.option("--batch", default="1", show_default=True, metavar="N,N,…",
              help="Queries in a call; the first is the base point's.")  # fmt: skip
@click.option("--threads", metavar="N,N,…",
              help="Of PyTorch on the CPU, likewise.  [default: as many as it takes]")  # fmt: skip
@click.option("--instruction-words", type=click.IntRange(1, 10_000), default=10, show_default=True,
              help="Words in the instruction.")  # fmt: skip
@click.option("--vary", "varied", multiple=True, metavar="NAME=V,V,…", help="What else to vary; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder for profile.json, .csv, .md and .html.")  # fmt: skip
def command(out: Path | None, **given: Any) -> int:
    """Measure what asking a policy costs: time, memory, FLOPs."""
    with stopped_safely("Nothing is written of a profile that is not whole."):
        made = _profile(given)
        from mmact_eval.profiling.tables import terminal
        from mmact_eval.profiling.writing import write

        click.echo(terminal(made))
        if out is not None:
            click.echo("Wrote " + ", ".join(map(str, write(made, out))))
    return 0


def _profile(given: dict[str, Any]) -> Any:
    from mmact_eval import registry
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.profiling.points import Point, parse_vary
    from mmact_eval.profiling.profile import Request, profile

    varied = [parse_vary(text, parse_value) for text in given["varied"]]
    first: dict[str, Any] = {}
    lists = []
    for name in ("batch", "threads"):
        if given[name] is not None:
            of = parse_vary(f"{name}={given[name]}", parse_value)
            first[name] = of.values[0]
            lists += [of] if len(of.values) > 1 else []
    twice = _twice([vary.name for vary in (*lists, *varied)])
    if twice:
        raise UsageError(f'"{twice}" is varied twice; give all its values at once.')
    suite = load_suite(given["suite"], given["overrides"])
    arguments = parse_assignments(given["policy_args"], "--policy-args")
    request = Request(
        policy=given["policy"],
        suite=suite.name,
        env_spec=registry.env_plugin(suite.env).spec(suite),
        base=Point(**first, instruction_words=given["instruction_words"], policy_args=arguments),
        varied=[*lists, *varied],
        calls=given["queries"],
        warm_up=given["warm_up"],
        seed=given["seed"],
    )
    return profile(request, lambda text: click.echo(f"Measuring: {text}", err=True))


def _twice(names: list[str]) -> str:
    """The first name that is there more than once, "" if none is."""
    return next((name for name in names if names.count(name) > 1), "")
