"""Find plug-ins by entry points, and policies by ``module:attr`` or ``file.py:attr``.

The engine never imports a plug-in by name in code; it learns their names here. A plug-in whose dependencies are
missing is listed with the pip extra that brings them, and never breaks the others.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import Any, TypeGuard, cast

from mmact_eval import compat
from mmact_eval.errors import MmactEvalError, UsageError, did_you_mean
from mmact_eval.identity.live_policy import name_of, of_object, source_file
from mmact_eval.identity.loading import is_file, load_file, load_module
from mmact_eval.identity.made_policy import MadePolicy, with_identity
from mmact_eval.identity.workspace import Workspace
from mmact_eval.optional import Closes, Examines, SaysHowToInstall, SetsUp, SetsUpFrom
from mmact_eval.protocols import EnvPlugin, Policy
from mmact_eval.specs import EnvSpec

log = logging.getLogger(__name__)

ENVS = "mmact_eval.envs"
POLICIES = "mmact_eval.policies"
REPORTS = "mmact_eval.reports"
SERVERS = "mmact_eval.servers"
SCHEMES = "mmact_eval.policy_schemes"
"""What stands before the colon of ``--policy ws://host:port`` or ``--policy lerobot:path``, and whose it is."""
COMMANDS = "mmact_eval.commands"
ENGINES = "mmact_eval.engines"
METRICS = "mmact_eval.metrics"

_KINDS = {
    ENVS: "environment",
    POLICIES: "policy",
    REPORTS: "report",
    SERVERS: "protocol",
    SCHEMES: "policy scheme",
    COMMANDS: "command",
    ENGINES: "engine",
    METRICS: "metric",
}

_PLUGIN_PARTS = ("name", "extra", "requires", "tasks", "spec", "prepare_process", "make", "versions")


@dataclass(frozen=True)
class Listing:
    """A plug-in as `mmact-eval list` shows it: its name and where it comes from.

    Attributes:
        name, value: of the entry point.
        distribution: that has it.
        problem: what stops it, "" if nothing.
        remedy: what to do about it, "" if nothing is known.
    """

    name: str
    value: str
    distribution: str
    problem: str
    remedy: str = ""

    @property
    def status(self) -> str:
        """``ready``, or what stops it and what to do about it."""
        return ": ".join(filter(None, (self.problem, self.remedy))) or "ready"


def names(group: str) -> list[str]:
    """The registered names of a group, sorted."""
    return sorted(_points(group))


def _points(group: str) -> Mapping[str, EntryPoint]:
    return _points_on(tuple(sys.path), group)


@functools.lru_cache(32)  # all installed packages are looked through, and every summary asks
def _points_on(path: tuple[str, ...], group: str) -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _load(group: str, name: str) -> Any:
    """Import a registered plug-in.

    Raises:
        UsageError: unknown name, or it cannot be imported.
    """
    points = _points(group)
    kind = _KINDS[group]
    if not points:
        raise UsageError(
            f'no {kind} is registered, not even "{name}": mmact-eval was installed before its code was changed. '
            "Install it again, in the checkout with: pip install -e ."
        )
    if name not in points:
        raise UsageError(
            f'unknown {kind} "{name}".{did_you_mean(name, points)} '
            f"Known: {', '.join(sorted(points))} (see `mmact-eval list`)."
        )
    try:
        return points[name].load()
    except ModuleNotFoundError as error:
        raise UsageError(f'{kind} "{name}" needs the package "{error.name}"', _how_to_install(points[name])) from error
    except ImportError as error:  # it is there, and does not fit the others; or the plug-in says so itself
        if missing := _lacking(points[name]):
            raise UsageError(f'{kind} "{name}" needs {", ".join(missing)}', _how_to_install(points[name])) from error
        raise UsageError(f'{kind} "{name}" cannot be imported: {error}') from error
    except AttributeError as error:
        raise UsageError(f'{kind} "{name}" is broken: {points[name].value} does not exist ({error}).') from error
    except MmactEvalError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f'{kind} "{name}" is broken, its import ends in {said}') from error


def _how_to_install(point: EntryPoint) -> str:
    extras = ",".join(point.extras)
    distribution = point.dist.name if point.dist else "mmact-eval"
    return f"pip install '{distribution}[{extras}]'" if extras else "install it with pip."


def missing_packages(plugin: EnvPlugin) -> list[str]:
    """Import names the plug-in requires that are not installed (nothing is imported)."""
    return [name for name in plugin.requires if importlib.util.find_spec(name) is None]


def env_plugin(name: str) -> EnvPlugin:
    """The environment plug-in of this name, or of ``module:attr``; its simulator is not imported.

    Raises:
        UsageError: unknown name or missing packages, with the pip extra that brings them.
    """
    plugin: EnvPlugin = load_module(name)[0] if ":" in name else _load(ENVS, name)
    lacking = [part for part in _PLUGIN_PARTS if not hasattr(plugin, part)]
    if lacking or inspect.isclass(plugin):
        what = "a class; name an instance of it" if inspect.isclass(plugin) else f"lacking {', '.join(lacking)}"
        raise UsageError(f'"{name}" is no environment plug-in (see mmact_eval.protocols.EnvPlugin): it is {what}.')
    missing = missing_packages(plugin)
    if missing:
        raise UsageError(
            f'environment "{name}" needs {", ".join(missing)} (not installed here): {how_to_bring(plugin)}'
        )
    return plugin


def how_to_bring(plugin: EnvPlugin) -> str:
    """What to do where packages of an environment are missing."""
    if isinstance(plugin, SaysHowToInstall):
        return plugin.how_to_install()
    return f"pip install 'mmact-eval[{plugin.extra}]'" if plugin.extra else "install it with pip."


def setup(name: str, source: Path | None = None) -> Callable[[Callable[[str], None]], None]:
    """What brings an environment's requirements that pip cannot bring.

    Args:
        name: of the environment.
        source: where to take them from; None to let the environment choose.

    Raises:
        UsageError: unknown name, there is nothing to set up, or it is not set up from a source.
    """
    plugin = _load(ENVS, name)
    if not isinstance(plugin, SetsUp):
        raise UsageError(f'environment "{name}" needs no set-up beyond pip.')
    if source is None:
        return plugin.setup
    if not isinstance(plugin, SetsUpFrom):
        raise UsageError(f'environment "{name}" is not set up from something: leave out --from.')
    return functools.partial(plugin.setup_from, source)


def examinations() -> list[tuple[str, Callable[[bool], Any]]]:
    """Name and `examine` of the environments that can say more about this machine; broken plug-ins are left out."""
    found: list[tuple[str, Callable[[bool], Any]]] = []
    for name in names(ENVS):
        with contextlib.suppress(Exception):
            plugin = _load(ENVS, name)
            if isinstance(plugin, Examines):
                found.append((name, plugin.examine))
    return found


def command(name: str) -> Any:
    """The click command that a plug-in adds to the command line under this name.

    Raises:
        UsageError: it cannot be imported.
    """
    return _load(COMMANDS, name)


def report(name: str) -> Callable[..., list[Path]]:
    """The report writer of this name: ``write(summary, folder) -> files``."""
    return cast("Callable[..., list[Path]]", _load(REPORTS, name))


def metrics() -> list[Any]:
    """What the entry points of metrics name: metrics, or sequences of them. A broken one is left out, which is said."""
    found = []
    for name in names(METRICS):
        try:
            found.append(_load(METRICS, name))
        except UsageError as error:
            log.warning("left out: %s", error)
    return found


def server(protocol: str) -> Callable[..., Any]:
    """What makes a server that speaks this protocol: ``make(policy, env_spec, **options)``, an object with `run`."""
    return cast("Callable[..., Any]", _load(SERVERS, protocol))


def engine(name: str) -> Callable[..., Any]:
    """What makes an engine of this name: a `mmact_eval.engine.interface.MakeEngine`."""
    return cast("Callable[..., Any]", _load(ENGINES, name))


def scheme(target: str) -> str:
    """The registered scheme of ``ws://host:port`` or ``lerobot:path``, "" if it has none."""
    before, colon, _ = target.partition(":")
    return before if colon and before in _points(SCHEMES) else ""


def adopt_policy(policy: Policy, name: str, identity: str) -> MadePolicy:
    """A policy object that somebody else has made and keeps.

    Args:
        policy: the policy.
        name: what its results say it is, such as ``module:Class``.
        identity: what it is made of, in words; "" for an object that is like no other, not even one made the same way.

    Raises:
        UsageError: its spec is not well-formed.
    """
    compat.require_well_formed(policy.spec, name)
    return of_object(policy, name, identity)


def make_policy(target: str | Callable[..., Any], args: Mapping[str, Any], env_spec: EnvSpec) -> MadePolicy:
    """Build a policy, and find out what it is made of.

    Args:
        target: a registered name, ``module:attr``, ``path/to/file.py:attr`` or an address of a registered scheme such
            as ``ws://host:port``. The attribute is a policy, or a class or function that makes one. ``NAME:PATH``
            hands a path to a registered policy that takes one. Or such a class or function itself.
        args: keyword arguments for it.
        env_spec: handed over as ``env_spec`` if it takes that.

    Raises:
        UsageError: it cannot be found, imported or made, or is no policy.
    """
    workspace = Workspace()
    if not isinstance(target, str):
        return _made_by(target, args, env_spec, workspace)
    name, colon, path = target.partition(":")
    file: Path | None = None
    with workspace:
        if scheme(target):
            policy = _made(target, _load(SCHEMES, name), {"target": target, **args}, env_spec)
        elif colon and name in _points(POLICIES):
            args = {**args, "path": path}
            policy = _made(target, _load(POLICIES, name), args, env_spec)
        else:
            name = target.rsplit("/", 1)[-1]
            found, file = _found(target, workspace)
            policy = _made(target, found, args, env_spec)
    return with_identity(policy, target, name, args, workspace, file)


def _made_by(
    factory: Callable[..., Any], args: Mapping[str, Any], env_spec: EnvSpec, workspace: Workspace
) -> MadePolicy:
    """The policy that a class or function of this process makes; in a notebook its code cannot be told from other."""
    name = name_of(factory)
    file = source_file(factory)
    with workspace:
        policy = _made(name, factory, args, env_spec)
    if file is None:
        return of_object(policy, name, "")
    return with_identity(policy, name, name, args, workspace, file)


def _found(target: str, workspace: Workspace) -> tuple[Any, Path | None]:
    """What a target without a registered name before its colon names, and the file of the user's that it is in."""
    if is_file(target):
        return load_file(target, workspace)
    if "//" in target:
        raise UsageError(f'"{target}": there is no policy for such addresses; known: {", ".join(_points(SCHEMES))}.')
    return load_module(target, workspace) if ":" in target else (_load(POLICIES, target), None)


def _made(target: str, found: Any, args: Mapping[str, Any], env_spec: EnvSpec) -> Policy:
    """The policy that was found, or what the class or function that was found makes."""
    policy: Policy = found if not callable(found) or is_policy(found) else _call(target, found, args, env_spec)
    if not is_policy(policy):
        raise UsageError(
            f'"{target}" gave {type(policy).__name__}, which is no policy: it needs `spec`, `reset(episodes)` and '
            "`act(queries)` (see mmact_eval.protocols.Policy)."
        )
    compat.require_well_formed(policy.spec, target)
    return policy


def close_policy(policy: Policy) -> None:
    """Let a policy free what it holds; a failure at this point costs nobody their results."""
    if isinstance(policy, Closes):
        try:
            policy.close()
        except Exception as error:
            log.warning("the policy's close() raised %s: %s", type(error).__name__, error)


def is_policy(thing: object) -> TypeGuard[Policy]:
    """Whether it is a policy, not what makes one."""
    # Not by `isinstance`: from Python 3.12 on that looks past `__getattr__`, by which wrappers show the inner policy.
    answers = all(callable(getattr(thing, method, None)) for method in ("reset", "act"))
    return not inspect.isclass(thing) and answers and hasattr(thing, "spec")


def _call(target: str, factory: Callable[..., Any], args: Mapping[str, Any], env_spec: EnvSpec) -> Any:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        signature = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_KEYWORD)])
    parameters = signature.parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    known = [name for name, p in parameters.items() if name != "env_spec" and p.kind is not p.VAR_KEYWORD]
    for name in args:
        if name not in known and not takes_any:
            raise UsageError(
                f'policy "{target}" takes no argument "{name}".{did_you_mean(name, known)} '
                f"It takes: {', '.join(known) or 'none'}."
            )
    given = dict(args)
    if "env_spec" in parameters:
        given["env_spec"] = env_spec
    missing = [
        name for name in known
        if name not in given
        and parameters[name].default is inspect.Parameter.empty
        and parameters[name].kind is not inspect.Parameter.VAR_POSITIONAL
    ]  # fmt: skip
    if missing:
        raise UsageError(f'policy "{target}" needs --policy-args {" ".join(f"{name}=…" for name in missing)}.')
    try:
        return factory(**given)
    except MmactEvalError:
        raise
    except ModuleNotFoundError as error:
        raise UsageError(f'policy "{target}" needs the package "{error.name}", which is not installed here.') from error
    except (Exception, SystemExit) as error:
        raise UsageError(f'policy "{target}" could not be made: {type(error).__name__}: {error}') from error


def _lacking(point: EntryPoint) -> list[str]:
    """Distributions that an entry point's extras ask for and that are not installed (nothing is imported)."""
    found = []
    for requirement in (point.dist.requires or []) if point.dist else []:
        asked = re.search(r"extra == [\"']([\w.-]+)[\"']", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if asked and name and asked[1] in point.extras:
            try:
                distribution(name[0])
            except PackageNotFoundError:
                found.append(name[0])
    return found


def listing(group: str) -> list[Listing]:
    """All plug-ins of a group with what stops each of them; never raises for a broken one."""
    rows = []
    for name, point in sorted(_points(group).items()):
        problem = remedy = ""
        try:
            loaded = _load(group, name)
            missing = missing_packages(loaded) if group == ENVS else _lacking(point)
            if missing:
                problem = f"missing {', '.join(missing)}"
                remedy = how_to_bring(loaded) if group == ENVS else _how_to_install(point)
        except UsageError as error:
            problem, remedy = error.problem, error.remedy
        except Exception as error:
            problem = f"broken: {type(error).__name__}: {error}"
        rows.append(Listing(name, point.value, point.dist.name if point.dist else "", problem, remedy))
    return rows
