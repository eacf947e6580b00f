"""What an environment promises of stages, instructions one after another in an episode (`protocols.Env.step_chunk`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmact_eval.conformance.env_endings import solution_of
from mmact_eval.conformance.env_under_test import Actions, EnvUnderTest
from mmact_eval.conformance.promise import Promise, Skipped, promise, require, require_equal
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Needs
from mmact_eval.rollout import stages as stage_rules
from mmact_eval.rollout.chunk_info import chunk_is_over, steps_executed
from mmact_eval.types import Stage


@promise(
    "EnvSpec.stages",
    "the spec says how many stages an episode can have, and the suite asks for no more",
    mend="say `stages=` in the EnvSpec; lower protocol.stages",
)
def _has_as_many_as_asked_for(test: EnvUnderTest) -> None:
    most = test.spec.stages
    require(type(most) is int and most >= 1, f"it says {most!r}; it must be a whole number from 1")
    try:
        stage_rules.check(test.suite, test.spec)
    except UsageError as error:
        require(False, str(error))


@dataclass(frozen=True)
class _Part:
    """What came of one chunk: steps executed, the stages it told, instruction, state, how it ended."""

    steps: int
    stages: tuple[Stage, ...]
    instruction: str
    state: str
    over: bool
    done: tuple[bool, bool]


def _played(test: EnvUnderTest, actions: Actions, most: int) -> list[_Part]:
    """The first episode, with these actions in chunks of at most `most`, which are cut where the environment does."""
    env = test.env
    env.begin(test.episodes[0])
    parts: list[_Part] = []
    done = 0
    while done < len(actions) and not (parts and any(parts[-1].done)):
        chunk = actions[done : done + most]
        observation, _, terminated, truncated, info = env.step_chunk(chunk.copy())
        told = tuple(info.get(stage_rules.STAGES, ()))
        ends = chunk_is_over(info, len(chunk)), (bool(terminated), bool(truncated))
        steps = steps_executed(info, len(chunk))
        parts.append(_Part(steps, told, observation.instruction, env.state_hash(), *ends))
        done += steps
    return parts


@promise(
    "the end of a stage",
    "a solved stage ends the chunk, not the episode: the next instruction is observed, the next stage has 0 steps; the "
    "last one ends the episode",
    mend='after the action that solves a stage, stop: info["interrupted"] = True, info["stages"] with the next `Stage`',
)
def _ends_stages(test: EnvUnderTest) -> None:
    solution = solution_of(test)
    for most in (len(solution), 1):  # stages that end in the middle of a chunk, and with it
        _require_good_ends(test, _played(test, solution, most))


def _require_good_ends(test: EnvUnderTest, parts: Sequence[_Part]) -> None:
    before = test.env.begin(test.episodes[0]).instruction
    tally, steps = stage_rules.StageTally(), 0
    for part in parts:
        steps += part.steps
        require(part.stages != (), f'info["stages"] is missing after {steps} steps')
        told = f"after {steps} steps ({_told(part.stages)})"
        began = tally.executed({stage_rules.STAGES: part.stages})
        require_equal(steps, sum(stage.steps for stage in part.stages), f"{told}: steps and those of the stages are")
        if any(part.done):
            break
        if not began:
            continue
        require(part.over, f'{told}: all actions were executed; say info["interrupted"] = True')
        require_equal(0, part.stages[-1].steps, f"{told}: the further stage has steps")
        other = part.stages[-1].task == part.stages[-2].task or part.instruction != before
        require(other, f'{told}: the instruction is still "{before}"')
        before = part.instruction
    require_equal(test.suite.protocol.stages, len(part.stages), "protocol.stages and those of the solved episode are")
    require(all(stage.success for stage in part.stages), f"solved, and its stages are {_told(part.stages)}")
    require(part.done == (True, False), f"with its last stage solved, (terminated, truncated) are {part.done}")


@promise(
    "stages in pieces",
    "stages end at the same step and in the same state, whether actions come one by one or many at a time",
    mend="look after every action whether the stage is solved, and never at T",
)
def _is_the_same_in_pieces(test: EnvUnderTest) -> None:
    solution = solution_of(test)
    whole = _starts(_played(test, solution, len(solution)))
    for most in (1, 3):
        pieces = _starts(_played(test, solution, most))
        require_equal(len(whole), len(pieces), f"as a chunk and in pieces of {most}, stages are")
        for number, (one, other) in enumerate(zip(whole, pieces, strict=True), 1):
            require_equal(one, other, f"as a chunk and in pieces of {most}, stages and state after stage {number} are")


def _starts(parts: Sequence[_Part]) -> list[tuple[str, str, tuple[bool, bool]]]:
    """What was told, and the state, wherever a stage was over."""
    found, known = [], 1
    for part in parts:
        if len(part.stages) > known or any(part.done):
            found.append((_told(part.stages), part.state, part.done))
            known = len(part.stages)
    return found


@promise(
    "stage_steps",
    "a stage that is not solved in the protocol's stage_steps ends the episode, truncated",
    mend="count the steps of each stage; at the limit return truncated = True",
)
def _gives_up_a_stage(test: EnvUnderTest) -> None:
    few = max(1, len(test.actions) // 2)
    with test.another(Needs(), {"stage_steps": few}) as env:
        env.begin(test.episodes[0])
        _, _, terminated, truncated, info = env.step_chunk(test.actions.copy())
    told = tuple(info.get(stage_rules.STAGES, ()))
    if terminated or len(told) > 1:
        raise Skipped(f"the actions tried solve a stage in {few} steps")
    require(bool(truncated), f"after {info['steps']} steps of {few} it is not truncated")
    require_equal(few, int(info["steps"]), "stage_steps and the steps executed are")
    require(len(told) == 1 and not told[0].success and told[0].steps == few, f'info["stages"] is {_told(told)}')


def _told(stages: Sequence[Stage]) -> str:
    return ", ".join(f"{stage.task} {stage.steps} {'solved' if stage.success else 'not solved'}" for stage in stages)


PROMISES: tuple[Promise[EnvUnderTest], ...] = (
    _has_as_many_as_asked_for,
    _ends_stages,
    _is_the_same_in_pieces,
    _gives_up_a_stage,
)
