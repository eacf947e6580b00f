"""`mmact-eval probe`: is a policy wired to an environment as it should be?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from mmact_eval.commands.common.options import parse_assignments, pick_options, stopped_safely


@click.command(
    "probe",
    epilog="""\b
Examples:
  mmact-eval probe --suite libero-object --policy ws://gpu-box:8000
  mmact-eval probe --suite libero-goal --policy my_policy.py:make --policy-args checkpoint=ckpt/ --out probe/
  mmact-eval probe --suite libero-object --policy openvla --policy-args url=http://gpu-box:8000 --data data/object
  mmact-eval probe --suite toy --policy my_policy.py:Mine --json
An expert's observations are shown to the policy as they are and altered (turned, mirrored, cameras exchanged,
quaternions reordered, …); its answers are compared with the expert's actions as they are and read differently
(gripper inverted, axes negated, …). See docs/probe.md.
Exit code: 0 no fault found, 1 a fault found, 2 it could not be done.""",
)
@pick_options("config", "suite", "tasks", "episodes", "policy", "policy_args", "seed", "workers", "max_batch",
              "overrides", "policy_timeout")  # fmt: skip
@click.option("--frames", type=click.IntRange(min=2, max=50), default=6, show_default=True,
              help="Moments shown of each episode.")  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path),
              help="Take the observations from a data set that `record` has made; no expert plays.")  # fmt: skip
@click.option("--reference", default="", metavar="POLICY", help="The expert.  [default: the environment's]")
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder for probe.json and sheet.png, the images as the policy got them.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(out: Path | None, as_json: bool, **given: Any) -> int:
    """Find flipped images, inverted grippers and the like before a run."""
    with stopped_safely("What the expert has played is kept; give the same command again."):
        report = _probe(given, out)
    if out is not None:
        (out / "probe.json").write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        _show(report)
        if out is not None:
            click.echo(f"Wrote {out / 'probe.json'}, {out / 'sheet.png'}")
    return 1 if report.faults else 0


def _probe(given: dict[str, Any], out: Path | None) -> Any:
    from mmact_eval import compat, registry
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.errors import UsageError
    from mmact_eval.probe.probe import probe
    from mmact_eval.probe.sheet import write_sheet

    suite = load_suite(given["suite"], given["overrides"])
    env_spec = registry.env_plugin(suite.env).spec(suite)
    arguments = parse_assignments(given["policy_args"], "--policy-args")
    policy = registry.make_policy(given["policy"], arguments, env_spec).policy
    try:
        compat.check(env_spec, policy.spec)
        if policy.spec.privileged:
            raise UsageError(
                f'policy "{policy.spec.name}" acts on simulator ground truth; there is no picture to get wrong.'
            )
        reference = _reference(given, suite, env_spec)
        if out is not None:
            write_sheet(out / "sheet.png", policy, reference.frames)
        options = {"max_batch": given["max_batch"], "timeout": given["policy_timeout"], "say": _say}
        return probe(policy, env_spec, suite.name, suite.protocol.rotation, reference, **options)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error}") from error
    finally:
        registry.close_policy(policy)


def _reference(given: dict[str, Any], suite: Any, env_spec: Any) -> Any:
    from mmact_eval.engine.options import EngineOptions
    from mmact_eval.probe.collect import collect
    from mmact_eval.probe.from_dataset import read_reference
    from mmact_eval.runs.runner import RunRequest

    if given["data"] is not None:
        return read_reference(given["data"], suite, env_spec, given["frames"], given["episodes"])
    request = RunRequest(
        suite=suite,
        policy="",
        overrides=given["overrides"],
        tasks=given["tasks"],
        episodes=given["episodes"],
        seed=given["seed"],
        options=EngineOptions(workers=given["workers"]),
    )
    return collect(request, env_spec, given["reference"], given["frames"], _say)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _show(report: Any) -> None:
    from mmact_eval.probe.table import COLOURS, lines

    for verdict, line in lines(report):
        style: dict[str, Any] = {"bold": True} if verdict == "title" else {"fg": COLOURS.get(verdict)}
        plain = verdict in ("", "ok") or not sys.stdout.isatty()
        click.echo(line if plain and verdict != "title" else click.style(line, **style))
