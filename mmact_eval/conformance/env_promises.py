"""What an environment keeps while it is used: scenes, chunks, looks, the end."""

from __future__ import annotations

import pickle
from itertools import cycle
from typing import Any

import numpy as np

from mmact_eval.conformance import optional_members
from mmact_eval.conformance.env_under_test import EnvUnderTest, passage, require_five
from mmact_eval.conformance.fresh_process import scene_elsewhere
from mmact_eval.conformance.looks import differences, unlike_spec
from mmact_eval.conformance.promise import (
    Broken,
    Noted,
    Promise,
    Skipped,
    promise,
    require,
    require_equal,
    require_none,
)
from mmact_eval.optional import OF_ENVS, Disturbs, MeasuresMemory, RemarksOnScenes
from mmact_eval.protocols import Env, Needs

_SEED_IT = 'seed everything from the episode (`episode.derived_seed("scene")`) in `begin`, and leave no state behind'


@promise(
    "members of the environment",
    "`make` builds an environment with all members of `Env`, whose `interface` is the plug-in's spec",
    mend="write the method as in mmact_eval.protocols.Env; `interface` is `plugin.spec(suite)`",
)
def _has_its_members(test: EnvUnderTest) -> None:
    require_none(optional_members.wrong_signatures(test.env, Env), "not so")
    require_equal(test.env.interface, test.spec, "`interface` and the plug-in's spec differ")


@promise(
    "optional members of the environment",
    "what it offers beyond `Env` is spelled, shaped and answered as in mmact_eval.optional",
    mend="rename it; what is the environment's own business starts with an underscore",
)
def _spells_its_optional_members(test: EnvUnderTest) -> None:
    env = test.env
    require_none(optional_members.slips(env, Env, OF_ENVS), "not so")
    env.begin(test.episodes[0])
    if isinstance(env, RemarksOnScenes):
        remarks = env.scene_remarks()
        texts = isinstance(remarks, tuple | list) and all(isinstance(remark, str) for remark in remarks)
        require(texts, f"`scene_remarks` returned {remarks!r}; it must be a tuple of texts")
    if isinstance(env, MeasuresMemory):
        require(float(env.peak_memory_mib()) > 0, "`peak_memory_mib` says that nothing is used")


@promise(
    "observation",
    "an observation fits the spec: cameras, sizes, uint8; state vectors, lengths, float64; finite; an instruction",
    mend="convert in the environment (`np.asarray(x, np.float64)`, `picture.astype(np.uint8)`) or correct the spec",
)
def _observes_as_specified(test: EnvUnderTest) -> None:
    needs, env = test.everything, test.env
    first = env.begin(test.episodes[0])
    require_none(unlike_spec(first, test.spec, needs.cameras, needs.privileged), "after `begin`")
    before = first.copied()
    after = env.step_chunk(test.actions[:1].copy())[0]
    require_none(unlike_spec(after, test.spec, needs.cameras, needs.privileged), "after a step")
    require_none(differences(before, first), "what `begin` returned is another after a step; give each its own arrays")
    pickle.loads(pickle.dumps(after))


@promise(
    "step_chunk returns",
    'Gymnasium\'s five values, and in info["steps"] how many actions were executed, from 1 to T',
    mend='return observation, float(reward), bool(terminated), bool(truncated), {"steps": executed}',
)
def _returns_five_values(test: EnvUnderTest) -> None:
    test.env.begin(test.episodes[0])
    given = test.actions.copy()
    require_five(test.env.step_chunk(given), len(given))


@promise(
    "same episode, same scene",
    "the same episode twice, after whatever, gives the same scene, observations and states, bit for bit",
    mend=_SEED_IT,
)
def _repeats_an_episode(test: EnvUnderTest) -> None:
    there = [test.played(episode) for episode in test.episodes]
    back = [passage(test.env, episode, test.actions) for episode in reversed(test.episodes)]
    for episode, once, again in zip(test.episodes, there, reversed(back), strict=True):
        require_equal(once.scene, again.scene, f"{episode.key}: the scene hashes are")
        require_none(differences(once.first, again.first), f"{episode.key}, after `begin`")
        require_none(differences(once.last, again.last), f"{episode.key}, after the same {once.steps} actions")
        require_equal(once.state, again.state, f"{episode.key}, after the same actions: the state hashes are")


@promise(
    "fresh environment, same scene",
    "a new environment of which other things are looked at plays an episode just as a used one does",
    mend=f"{_SEED_IT}; rendering must not draw random numbers that the simulation uses",
)
def _is_the_same_when_fresh(test: EnvUnderTest) -> None:
    episode, cameras = test.episodes[-1], test.everything.cameras[-1:]
    used = test.played(episode)
    with test.another(Needs(cameras)) as env:
        fresh = passage(env, episode, test.actions)
    require_none(unlike_spec(fresh.first, test.spec, cameras, False), f"with Needs(cameras={cameras})")
    require_equal(used.scene, fresh.scene, "the scene hashes are")
    require_none(differences(used.first, fresh.first, cameras), "after `begin`")
    require_none(differences(used.last, fresh.last, cameras), f"after the same {used.steps} actions")
    require_equal(used.state, fresh.state, "after the same actions: the state hashes are")


@promise(
    "another process, same scene",
    "an episode begins in the same scene in another process: workers are processes, and machines",
    mend=f"{_SEED_IT}; `hash` of a text and process numbers differ from process to process",
)
def _is_the_same_elsewhere(test: EnvUnderTest) -> None:
    episode = test.episodes[0]
    with test.another(Needs()) as env:
        env.begin(episode)
        here = env.scene_hash(), env.state_hash()
    require_equal(here, scene_elsewhere(test.plugin, test.suite, test.task, episode), "here and there, the hashes are")


@promise(
    "nothing unseen is drawn",
    "with Needs() there are no images and no ground truth, and the simulation is the same",
    mend="draw only `needs.cameras` (mmact_eval.lazy_images helps), give ground truth only if `needs.privileged`",
)
def _draws_nothing_unseen(test: EnvUnderTest) -> None:
    seeing = test.played(test.episodes[0])
    with test.another(Needs()) as env:
        blind = passage(env, test.episodes[0], test.actions)
    require_none(unlike_spec(blind.last, test.spec, (), False), "with Needs()")
    require_equal(seeing.state, blind.state, "looking and not looking, the state hashes are")


@promise(
    "init states differ",
    "different init states are different scenes",
    mend="put `episode.init_state` into the scene",
)
def _has_different_init_states(test: EnvUnderTest) -> None:
    if len(test.episodes) < 2:
        raise Skipped("there is only one")
    scenes = []
    for episode in test.episodes:
        test.env.begin(episode)
        scenes.append(test.env.scene_hash())
    if len(set(scenes)) < len(scenes):
        raise Noted(f"the first {len(scenes)} init states are {len(set(scenes))} scenes, by their hashes")


@promise(
    "a chunk is its steps",
    "a chunk leads where its actions lead one by one, and ends where they do: where to stop follows from the scene",
    mend='stop by what is in the scene, never by T; after the last action given, say info["interrupted"] = True',
)
def _chunks_are_steps(test: EnvUnderTest) -> None:
    for episode in test.episodes:
        whole = test.played(episode)
        for told, sizes in (("one by one", cycle([1])), ("in pieces of 3, 1 and 2", cycle([3, 1, 2]))):
            parts = passage(test.env, episode, test.actions, sizes)
            require_equal(whole.steps, parts.steps, f"{episode.key}: as a chunk and {told}, actions executed are")
            require_equal(whole.over, parts.over, f"as a chunk and {told}, (terminated, interrupted) are")
            require_equal(whole.state, parts.state, f"as a chunk and {told}, the state hashes are")
            require_none(differences(whole.last, parts.last), f"as a chunk and {told}")


@promise(
    "hashes",
    "`state_hash` is of the full state: actions that move change it, looking does not; `scene_hash` stays",
    mend="hash positions and velocities of all that moves; keep the hash of the scene as it was right after the reset",
)
def _hashes_the_state(test: EnvUnderTest) -> None:
    env = test.env
    env.begin(test.episodes[0])
    scene, before = env.scene_hash(), env.state_hash()
    require(isinstance(scene, str) and scene and isinstance(before, str) and before, f"they are {scene!r}, {before!r}")
    require_equal(before, env.state_hash(), "asked twice, the state hashes are")
    env.step_chunk(test.actions.copy())
    require(env.state_hash() != before, "after the actions the state hash is what it was before them")
    require_equal(scene, env.scene_hash(), "before and after the actions, the scene hashes are")


@promise(
    "render",
    "`render` is an (H, W, 3) uint8 picture and changes nothing",
    mend="draw from a copy of the state, or restore what drawing changes",
)
def _renders_without_a_trace(test: EnvUnderTest) -> None:
    plain = passage(test.env, test.episodes[0], test.actions, cycle([1]))
    env = test.env
    env.begin(test.episodes[0])
    before = env.state_hash()
    picture: Any = env.render()
    like = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    require(like, f"it is {type(picture).__name__} {getattr(picture, 'dtype', '')} {getattr(picture, 'shape', '')}")
    require_equal(before, env.state_hash(), "before and after `render` the state hashes are")
    for action in test.actions[: plain.steps]:
        env.step_chunk(action[None].copy())
        env.render()
    require_equal(plain.state, env.state_hash(), "without and with pictures in between, the state hashes are")


@promise(
    "max_steps",
    "nothing but `truncated` depends on the protocol's max_steps",
    mend="count steps only to truncate; the rollout loop ends an episode by itself",
)
def _is_the_same_with_other_limits(test: EnvUnderTest) -> None:
    few = max(1, len(test.actions) // 2)
    many = passage(test.env, test.episodes[0], test.actions[:few])
    with test.another(Needs(), {"max_steps": few}) as env:
        limited = passage(env, test.episodes[0], test.actions[:few])
    require_equal(many.steps, limited.steps, f"with max_steps {test.suite.protocol.max_steps} and {few}, steps are")
    require_equal(
        many.state, limited.state, f"with max_steps {test.suite.protocol.max_steps} and {few}, state hashes are"
    )


@promise(
    "disturb",
    'an environment that says `disturbable` displaces an object by `disturb`, or says "" and leaves the scene alone',
    mend="return a few words only if something was moved; draw the direction from `rng` alone",
)
def _disturbs(test: EnvUnderTest) -> None:
    env = test.env
    if not test.spec.disturbable:
        if isinstance(env, Disturbs):
            raise Noted("it has `disturb`, and its spec does not say `disturbable`")
        raise Skipped("its spec does not say `disturbable`")
    if not isinstance(env, Disturbs):
        raise Broken("its spec says `disturbable`, and it has no `disturb`")
    told = []
    for _ in range(2):
        env.begin(test.episodes[0])
        before = env.state_hash()
        words = env.disturb(np.random.default_rng(0), 0.02)
        require(isinstance(words, str), f"`disturb` returned {type(words).__name__}, no text")
        moved = env.state_hash() != before
        require(moved or not words, f'it says "{words}", and the state hash is what it was')
        require(words or not moved, 'it says "", and the state hash is another than before')
        told.append((words, env.state_hash()))
    require_equal(told[0], told[1], "with the same rng in the same scene it did")
    if not told[0][0]:
        raise Noted("nothing could be displaced in this scene")


PROMISES: tuple[Promise[EnvUnderTest], ...] = (
    _has_its_members,
    _spells_its_optional_members,
    _observes_as_specified,
    _returns_five_values,
    _repeats_an_episode,
    _is_the_same_when_fresh,
    _is_the_same_elsewhere,
    _draws_nothing_unseen,
    _has_different_init_states,
    _chunks_are_steps,
    _hashes_the_state,
    _renders_without_a_trace,
    _is_the_same_with_other_limits,
    _disturbs,
)
