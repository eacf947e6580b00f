"""What a plug-in answers without its simulator."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mmact_eval.conformance import optional_members
from mmact_eval.conformance.env_under_test import EnvUnderTest
from mmact_eval.conformance.fresh_process import imported_by_asking
from mmact_eval.conformance.promise import Noted, Promise, Skipped, promise, require, require_equal, require_none
from mmact_eval.optional import OF_ENV_PLUGINS, NamesPermissions, PreparesRun
from mmact_eval.protocols import EnvPlugin, Task
from mmact_eval.specs import ActionSpec, EnvSpec, StateSpec


@promise(
    "members of the plug-in",
    "a plug-in has all members of `EnvPlugin`, callable as there",
    mend="write the method as in mmact_eval.protocols.EnvPlugin; envs/toy is the template",
)
def _has_its_members(test: EnvUnderTest) -> None:
    require_none(optional_members.wrong_signatures(test.plugin, EnvPlugin), "not so")


@promise(
    "optional members of the plug-in",
    "what it offers beyond `EnvPlugin` is spelled and shaped as in mmact_eval.optional",
    mend="rename it; what is the plug-in's own business starts with an underscore",
)
def _spells_its_optional_members(test: EnvUnderTest) -> None:
    require_none(optional_members.slips(test.plugin, EnvPlugin, OF_ENV_PLUGINS), "not so")
    if isinstance(test.plugin, NamesPermissions):
        require_none(_no_names(test.plugin.permissions, "permissions"), "not so")


@promise(
    "answers without the simulator",
    "`tasks`, `spec` and `versions` work in a fresh process without importing what `requires` names",
    mend="import the simulator inside `make` (and `prepare_process`); read task lists and versions from files or "
    "importlib.metadata",
)
def _answers_cheaply(test: EnvUnderTest) -> None:
    required = {name.partition(".")[0] for name in test.plugin.requires}
    imported = imported_by_asking(test.plugin, test.suite) & required
    told = f"asking imported {', '.join(sorted(imported))}"
    require(not imported or imported < required, told)
    if imported:  # a package of task lists, say
        left = ", ".join(sorted(required - imported))
        raise Noted(f"{told}, and not {left}: well if the simulator is among the latter")


@promise(
    "tasks",
    "`tasks` lists the suite's tasks in a fixed order: unique names, an instruction, at least one init state",
    mend="return [Task(name, instruction, init_states), …], the same at every call",
)
def _lists_tasks(test: EnvUnderTest) -> None:
    tasks = test.plugin.tasks(test.suite)
    require(isinstance(tasks, list) and tasks, f"`tasks` returned {tasks!r}")
    require_none(_wrong_tasks(tasks), "not so")
    require_equal(tasks, test.plugin.tasks(test.suite), "asked twice, it says different things")


@promise(
    "spec",
    "`spec` is an EnvSpec whose fields are what they must be, the same at every call",
    mend="compare with mmact_eval.specs.EnvSpec; cameras are name → (height, width), state is key → StateSpec",
)
def _states_its_spec(test: EnvUnderTest) -> None:
    spec: Any = test.plugin.spec(test.suite)
    require(isinstance(spec, EnvSpec), f"`spec` returned {type(spec).__name__}")
    require_none(_wrong_spec(spec), "not so")
    require_equal(spec, test.plugin.spec(test.suite), "asked twice, it says different things")


@promise(
    "versions",
    "`versions` maps names to texts: what changes results (simulator, physics, assets)",
    mend='return {"my-simulator": importlib.metadata.version("my-simulator")}, and a number of your own that you raise',
)
def _states_versions(test: EnvUnderTest) -> None:
    versions = test.plugin.versions()
    require_none(_no_texts(versions, "versions"), "not so")
    if not versions:
        raise Noted("there are none: a change of this environment will not be noticed when a run is continued")


@promise(
    "prepare_run",
    "what `prepare_run` returns are texts that do not depend on which episodes are left",
    mend="return what the results depend on (a commit, a digest), and nothing about this call's episodes",
)
def _prepares_a_run(test: EnvUnderTest) -> None:
    if not isinstance(test.plugin, PreparesRun):
        raise Skipped("it has none")
    facts = test.plugin.prepare_run(test.suite, test.episodes, 1, lambda line: None)
    require_none(_no_texts(facts, "prepare_run"), "not so")
    fewer = test.plugin.prepare_run(test.suite, test.episodes[:1], 1, lambda line: None)
    require_equal(facts, fewer, f"with {len(test.episodes)} episodes and with one it says different things")


@promise(
    "prepare_process",
    "`prepare_process` can be called before the simulator is used and returns texts",
    mend='return what was chosen, e.g. {"gl": "egl"}, or {} where there is nothing to choose',
)
def _prepares_a_process(test: EnvUnderTest) -> None:
    require_none(_no_texts(test.plugin.prepare_process(0, 1), "prepare_process"), "not so")


def _wrong_tasks(tasks: list[Any]) -> Iterator[str]:
    for task in tasks:
        if not isinstance(task, Task):
            yield f"{task!r} is no Task"
        elif not (isinstance(task.name, str) and task.name and isinstance(task.instruction, str) and task.instruction):
            yield f"{task} has no name or no instruction"
        elif not isinstance(task.init_states, int) or task.init_states < 1:
            yield f'task "{task.name}" has {task.init_states!r} init states'
    names = [task.name for task in tasks if isinstance(task, Task)]
    yield from (f'"{name}" is there twice' for name in sorted({name for name in names if names.count(name) > 1}))


def _wrong_spec(spec: EnvSpec) -> Iterator[str]:
    for camera, size in spec.cameras.items():
        if not (isinstance(size, tuple) and len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)):
            yield f'camera "{camera}" is {size!r}; it must be (height, width)'
    for key, part in spec.state.items():
        if not isinstance(part, StateSpec) or part.dim < 1 or not part.description:
            yield f'state "{key}" is {part!r}; it must be a StateSpec with dim ≥ 1 and a description'
    if not isinstance(spec.action, ActionSpec) or spec.action.dim < 1:
        yield f"the action is {spec.action!r}; it must be an ActionSpec with dim ≥ 1"
    elif not spec.action.low < spec.action.high:
        yield f"the action's range is {spec.action.low} to {spec.action.high}"
    yield from (
        f'proprioception names "{k}", which is no state key' for k in spec.proprioception if k not in spec.state
    )


def _no_texts(found: Any, what: str) -> Iterator[str]:
    if not isinstance(found, Mapping):
        yield f"`{what}` returned {type(found).__name__}, no mapping"
        return
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, str):
            yield f"`{what}` holds {key!r}: {value!r}; both must be text"


def _no_names(found: Any, what: str) -> Iterator[str]:
    if isinstance(found, str) or not isinstance(found, Collection) or not all(isinstance(n, str) for n in found):
        yield f"`{what}` is {found!r}; it must be a tuple of names"


PROMISES: tuple[Promise[EnvUnderTest], ...] = (
    _has_its_members,
    _spells_its_optional_members,
    _answers_cheaply,
    _lists_tasks,
    _states_its_spec,
    _states_versions,
    _prepares_a_process,
    _prepares_a_run,
)
