"""Options that `run`, `record` and `ablate` share, and how their values are read."""

from __future__ import annotations

import json
import math
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import yaml

from mmact_eval.commands.common.values import Workers, number_or_auto, parse_value
from mmact_eval.errors import MmactEvalError, Preempted, RunAborted, Stopped, UsageError, did_you_mean
from mmact_eval.machine import host
from mmact_eval.machine.slurm import requeue_command

if TYPE_CHECKING:
    from mmact_eval.engine.options import EngineOptions
    from mmact_eval.results.report_data import Report
    from mmact_eval.runs.runner import RunRequest
    from mmact_eval.runs.shard import Shard


def parse_assignments(pairs: tuple[str, ...], flag: str) -> dict[str, Any]:
    """``("a=1", "b=x")`` → ``{"a": 1, "b": "x"}``; values are read by `parse_value`.

    Raises:
        UsageError: a pair has no ``=``.
    """
    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f'{flag} takes name=value, not "{pair}".')
        parsed[name] = parse_value(value)
    return parsed


def _read_config(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Options from a YAML file become defaults; what is typed wins."""
    if value is None:
        return None
    try:
        options = yaml.safe_load(value.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read {value}: {error}") from error
    if not isinstance(options, dict):
        raise UsageError(f"{value}: must be a mapping of options, such as `suite: libero-object`.")
    known = {option.lstrip("-"): p for p in ctx.command.params for option in p.opts if option != "--config"}
    defaults = {}
    for key, setting in options.items():
        option = known.get(str(key).replace("_", "-"))
        if option is None or option.name is None:
            raise UsageError(f'{value}: unknown option "{key}".{did_you_mean(str(key), known)}')
        name = option.name
        if isinstance(setting, dict):
            setting = [f"{k}={json.dumps(v)}" for k, v in setting.items()]
        if isinstance(option, click.Option) and option.multiple:
            setting = [str(entry) for entry in (setting if isinstance(setting, list) else [setting])]
        elif isinstance(setting, list):
            setting = ",".join(str(entry) for entry in setting)
        defaults[name] = setting
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return value


def report_formats(texts: Sequence[str]) -> list[str]:
    """The formats that were typed, with commas or one by one; none for ``none`` alone.

    Raises:
        UsageError: one cannot be written, which is better known before a night of rollouts than after it.
    """
    from mmact_eval import registry

    wanted = list(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    if wanted == ["none"]:
        return []
    for name in wanted:
        registry.report(name)
    return wanted


@contextmanager
def written_reports(report: Report, folder: Path, formats: Sequence[str]) -> Iterator[None]:
    """Write the reports of what was run; the body shows the tables, whether that worked or not.

    Raises:
        RunAborted: they could not be written.
    """
    from mmact_eval.results.reporting import write_reports

    try:
        files, problem = write_reports(report, folder, formats), None
    except MmactEvalError as error:
        files, problem = [], error
    yield
    if problem:
        raise RunAborted(f"the episodes are done and safe, but {problem}") from problem
    if files:
        click.echo("Wrote " + ", ".join(str(file) for file in files))
    older = _of_an_earlier_state(folder, files)
    if older:
        names = ", ".join(file.name for file in older)
        click.echo(f"Older than these results: {names}. `mmact-eval report` makes reports anew.", err=True)


def _of_an_earlier_state(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Reports in the folder that other formats made, before its last episode was written."""
    results = folder / "episodes.jsonl"
    if not results.is_file():  # a study's folder
        return []
    last = results.stat().st_mtime
    return [file for file in sorted(folder.glob("report.*")) if file not in files and file.stat().st_mtime < last]


_PREEMPTS = (signal.SIGUSR1, signal.SIGUSR2)
"""What batch systems send before they take the place away (``sbatch --signal=USR1@60``)."""

_STOPS = (signal.SIGTERM, *_PREEMPTS)


def stop_on_signals() -> None:
    """Let SIGTERM, SIGUSR1 and SIGUSR2 raise `Stopped`."""
    for number in _STOPS:
        signal.signal(number, _raise_stopped)


SAFE = "Finished episodes are safe; give the same command again to resume."


@contextmanager
def stopped_safely(advice: str = SAFE) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2 end what runs inside in words.

    Args:
        advice: what is kept, and what to do next.

    Raises:
        RunAborted: it was stopped.
        Preempted: by SIGUSR1 or SIGUSR2.
    """
    stop_on_signals()
    try:
        yield
    except KeyboardInterrupt:
        raise RunAborted(f"stopped. {advice}") from None
    except Stopped as stopped:
        name = signal.Signals(stopped.number).name
        kind = Preempted if stopped.number in _PREEMPTS else RunAborted
        raise kind(f"stopped by {name}. {advice} {_again()}") from None


def _again() -> str:
    """The command, and what a job of a batch system does in its place."""
    requeue = requeue_command()
    whole = shlex.join(host.command_line())
    return f"That is `{whole}`, or in its job `{requeue}`." if requeue else f"That is `{whole}`."


def published_model(against: str | None) -> str | None:
    """The model part of ``published:MODEL``, "" for all models; None if nothing is asked for.

    Raises:
        UsageError: it is something else.
    """
    if against is None:
        return None
    what, _, model = against.partition(":")
    if what != "published":
        raise UsageError(f'--against takes published or published:MODEL, not "{against}". Runs are just named.')
    return model


def _raise_stopped(number: int, frame: FrameType | None) -> None:
    for other in _STOPS:  # a second one must not keep the first from being obeyed
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


_OPTIONS = {
    "config": click.option(
        "--config", type=click.Path(path_type=Path), callback=_read_config, is_eager=True, expose_value=False,
        help="YAML file with any of these options; options on the command line win."),
    "suite": click.option("--suite", required=True, help="Name of a suite (see `list suites`) or a YAML file."),
    "tasks": click.option(
        "--tasks", help="Task numbers, ranges, names or patterns: 0,3-5,*milk*  [default: all]"),
    "episodes": click.option(
        "--episodes", type=click.IntRange(min=1),
        help="Episodes per task.  [default: as the suite says; with --init-states one from each, if that is fewer]"),
    "init_states": click.option(
        "--init-states", metavar="A-B,C", help="Init states to start from: 0-19 or 3,7  [default: all]"),
    "policy": click.option("--policy", required=True, help="A registered name, module:attr, file.py:attr or ws://host:port."),
    "policy_args": click.option(
        "--policy-args", multiple=True, metavar="K=V", help="Argument of the policy; may be repeated."),
    "seed": click.option("--seed", type=int, default=0, show_default=True, help="The run's seed."),
    "engine": click.option(
        "--engine", default="local", show_default=True, help="What runs the episodes (see `list engines`)."),
    "ray_address": click.option(
        "--ray-address", default="", metavar="ADDRESS",
        help="Cluster of `--engine ray`: auto (the one found here), local (one of this machine alone) or HOST:PORT.  "
             "[default: auto if one is found, else local]"),
    "worker_cpus": click.option(
        "--worker-cpus", type=click.FloatRange(0, 1024, min_open=True), default=1.0, show_default=True,
        help="How many CPUs of a Ray cluster a simulator process is counted as."),
    "workers": click.option(
        "--workers", type=Workers(), default="1", show_default=True,
        help="Simulator processes; auto: as many as there are cores and memory for."),
    "max_batch": click.option(
        "--max-batch", type=click.IntRange(min=1), default=32, show_default=True,
        help="Largest number of queries the policy gets at once."),
    "policy_replicas": click.option(
        "--policy-replicas", default="0", show_default=True, metavar="N|auto", callback=number_or_auto,
        help="Processes that make the policy and answer, each on a GPU of its own; auto: as many as there are GPUs. "
             "0: the policy is called in this process."),
    "policy_gpus": click.option(
        "--policy-gpus", type=click.FloatRange(min=0), default=1.0, show_default=True, metavar="N",
        help="GPUs of each replica; 0.5: two replicas share one."),
    "limit": click.option("--limit", type=click.IntRange(min=1), help="Run at most this many episodes now."),
    "shard": click.option(
        "--shard", metavar="I/N",
        help="Run only part I of N, from 0, in a folder of its own; slurm: the place in a Slurm array. "
             "`mmact-eval merge` puts the parts together."),
    "overrides": click.option(
        "--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the suite."),
    "retries": click.option(
        "--retries", type=click.IntRange(min=0), default=1, show_default=True,
        help="How often to retry an episode that ended in an error."),
    "policy_timeout": click.option(
        "--policy-timeout", type=click.FloatRange(0, 604800, min_open=True), default=600.0, show_default=True,
        help="Seconds the policy may take for an answer."),
    "cached_envs": click.option(
        "--cached-envs", type=click.IntRange(min=1), default=1, show_default=True,
        help="Environments each worker keeps open (LIBERO: 0.6 GB each and 0.9 GB per worker)."),
    "shuffle": click.option(
        "--shuffle", type=int, metavar="NUMBER",
        help="Run in a random order, another one for each number; results are the same."),
    "allow_renderer": click.option(
        "--allow-renderer", is_flag=True,
        help="Continue although images are drawn by another GPU or library than before; tables say so."),
    "plan_reference": click.option(
        "--plan-reference", metavar="POLICY",
        help="Compare the policy's texts with what this policy (e.g. expert) would say in the same situation."),
}  # fmt: skip


def pick_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for some of the options that say what is run and how."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return decorate


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with those of every run; `request_from` takes them."""
    return pick_options(*(name for name in _OPTIONS if name != "plan_reference"))(command)


def parsed_shard(text: str | None) -> Shard | None:
    """Which part was asked for, if any.

    Raises:
        UsageError: it makes no sense.
    """
    from mmact_eval.runs.shard import parse_shard

    return None if text is None else parse_shard(text)


def engine_options(given: Mapping[str, Any]) -> EngineOptions:
    """How the engine works, from the values of the options.

    Raises:
        UsageError: a value makes no sense.
    """
    from mmact_eval.engine.options import EngineOptions

    if not math.isfinite(given["policy_timeout"]):
        raise UsageError("--policy-timeout must be a number of seconds.")
    for name in ("worker_cpus", "policy_gpus"):
        if not math.isfinite(given[name]):
            raise UsageError(f"--{name.replace('_', '-')} must be a number, not {given[name]}.")
    if given["engine"] == "local" and given["ray_address"]:
        raise UsageError("--ray-address is for --engine ray.")
    names = (
        "engine", "worker_cpus", "workers", "max_batch", "retries", "policy_timeout", "cached_envs", "allow_renderer",
        "policy_replicas", "policy_gpus",
    )  # fmt: skip
    return EngineOptions(**{name: given[name] for name in names}, cluster=given["ray_address"])


def request_from(given: Mapping[str, Any], out: Path | None = None, **others: Any) -> RunRequest:
    """A request from the values of `run_options` (and fields that a command sets by itself).

    Args:
        given: the values.
        out: the folder as typed; a part's is below it.
        others: further fields.

    Raises:
        UsageError: a value makes no sense.
    """
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.runs.request import of_part
    from mmact_eval.runs.runner import RunRequest

    shard = parsed_shard(given["shard"])
    return RunRequest(
        suite=load_suite(given["suite"], given["overrides"]),
        policy_args=parse_assignments(given["policy_args"], "--policy-args"),
        options=engine_options(given),
        shard=shard,
        out=out and of_part(out, shard),
        **{
            name: given[name]
            for name in ("overrides", "policy", "tasks", "episodes", "init_states", "seed", "limit", "shuffle")
        },
        **others,
    )
