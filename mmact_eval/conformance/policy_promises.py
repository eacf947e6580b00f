"""What a policy states, and how it answers."""

from __future__ import annotations

import pickle
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from mmact_eval import compat
from mmact_eval.conformance import optional_members
from mmact_eval.conformance.looks import differences as look_differences
from mmact_eval.conformance.policy_under_test import Answers, PolicyUnderTest, close, differences
from mmact_eval.conformance.promise import Noted, Promise, Skipped, promise, require, require_none
from mmact_eval.optional import OF_POLICIES, BringsObservers, Closes, NamesTransport, PinsArguments, ShowsPictures
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Observer, Policy
from mmact_eval.rollout.seen import seen_by

_ROUNDING = 1e-3
"""Of the action's range: what different orders of additions come to, and no mix-up of two queries does."""


@promise(
    "members",
    "a policy has `spec`, `reset(episodes)` and `act(queries)`",
    mend="write the method as in mmact_eval.protocols.Policy",
)
def _has_its_members(test: PolicyUnderTest) -> None:
    require_none(optional_members.wrong_signatures(test.innermost, Policy), "not so")


@promise(
    "optional members",
    "what it offers beyond `Policy` is spelled and shaped as in mmact_eval.optional",
    mend="rename it; what is the policy's own business starts with an underscore",
)
def _spells_its_optional_members(test: PolicyUnderTest) -> None:
    policy = test.innermost
    require_none(optional_members.slips(policy, Policy, OF_POLICIES), "not so")
    if isinstance(policy, NamesTransport):
        _require_names(policy.transport_args, "transport_args")
    if isinstance(policy, PinsArguments):
        _require_names(policy.pinned_args, "pinned_args")
    if isinstance(policy, BringsObservers):
        for make in pickle.loads(pickle.dumps(list(policy.observers))):
            require_none(optional_members.wrong_signatures(make(), Observer), f"what {make} makes is no Observer")
    if isinstance(policy, ShowsPictures):
        for name, picture in policy.pictures(test.first.observation.copied()).items():
            require(_is_picture(picture), f'picture "{name}" is no (H, W, 3) uint8 array')


@promise(
    "spec",
    "the spec is a PolicySpec whose fields are what they must be, and can be sent to another process",
    mend="compare with mmact_eval.specs.PolicySpec; `config` holds plain data",
)
def _states_its_spec(test: PolicyUnderTest) -> None:
    require_none(compat.malformed(test.policy.spec), "not so")
    pickle.loads(pickle.dumps(compat.plain(test.policy.spec)))


@promise(
    "fits the environment",
    "cameras, state, orientation and actions are the environment's",
    mend="see the message; nothing is converted silently",
)
def _fits(test: PolicyUnderTest) -> None:
    require_none(compat.mismatches(test.env_spec, test.policy.spec), "not so")


@promise(
    "answers",
    "`act` answers each query with a (T, D) chunk of finite numbers; text is text, an image (H, W, 3) uint8",
    mend="return [PolicyOutput(actions), …], one per query; move tensors to the CPU and convert them to float32",
)
def _answers(test: PolicyUnderTest) -> None:
    for queries in (test.together()[0], [test.first]):
        test.reset()
        for output in test.ask(queries):
            checked_actions(output, test.env_spec.action.dim)
            require(output.text is None or isinstance(output.text, str), f"text is {type(output.text).__name__}")
            require(output.image is None or _is_picture(output.image), "the image is no (H, W, 3) uint8 array")
            dict(output.extras)


@promise(
    "chunk length",
    "an answer has as many actions as `spec.chunk` says, or at most so many if the spec says `chunk_varies`",
    mend="correct `chunk`, or say chunk_varies=True if shorter answers are meant",
)
def _keeps_its_chunk_length(test: PolicyUnderTest) -> None:
    spec = test.policy.spec
    for answer in test.reference.values():
        length = len(answer.actions)
        fits = 1 <= length <= spec.chunk if spec.chunk_varies else length == spec.chunk
        require(
            fits, f"chunk is {spec.chunk}{' at most' if spec.chunk_varies else ''}, and an answer has {length} actions"
        )


@promise(
    "same question, same answer",
    "a policy that says `deterministic` answers the same queries with the same bits",
    mend="draw randomness from `query.rng()` alone, never from a generator of your own; or say deterministic=False",
)
def _repeats_itself(test: PolicyUnderTest) -> None:
    _require_deterministic(test)
    require_none(differences(test.reference, test.answers(test.one_by_one())), "asked twice")


@promise(
    "reset forgets",
    "after `reset` of an episode in its middle, nothing of it is remembered",
    mend="drop in `reset` all that is kept per episode (key: `query.episode`)",
)
def _forgets_at_reset(test: PolicyUnderTest) -> None:
    _require_deterministic(test)
    for calls in ([[query] for query in queries] for queries in test.questions):
        test.answers(calls[:-1])
        again = test.answers(calls)
        require_none(differences(again, test.reference), "after a reset in the middle")


@promise(
    "a further stage",
    "asked under another instruction in the middle of an episode, after `reset`, it answers and remembers nothing",
    mend="`query.new_stage` marks such a query, whose index runs on; drop in `reset` all that is kept per episode",
)
def _begins_a_stage(test: PolicyUnderTest) -> None:
    before, after = test.questions[0][0], replace(test.questions[0][-1], new_stage=True)
    test.reset()
    test.ask([before])
    found = test.answers([[after]])
    if test.policy.spec.deterministic:
        require_none(differences(test.answers([[after]]), found), "with and without the stage before")


@promise(
    "episodes are apart",
    "what is asked for one episode changes no answer of another, whatever the order",
    mend="keep state per `query.episode`, never in one place for all",
)
def _keeps_episodes_apart(test: PolicyUnderTest) -> None:
    _require_deterministic(test)
    require_none(differences(test.reference, test.answers(test.one_after_the_other())), "taking turns or one by one")
    backwards = test.answers([calls[::-1] for calls in test.together()])
    require_none(differences(test.answers(test.together()), backwards), "in a batch and in the batch turned round")


@promise(
    "batches",
    "queries that are asked together get the answers that they get alone",
    mend="answer each query from its own observation and `query.rng()`; if the network merely rounds differently in "
    "larger batches, run with --max-batch 1",
)
def _batches(test: PolicyUnderTest) -> None:
    _require_deterministic(test)
    together = test.answers(test.together())
    found = list(differences(test.reference, together))
    if found and close(test.reference, together, _ROUNDING * (test.env_spec.action.high - test.env_spec.action.low)):
        raise Noted(f"rounds differently by batch (use --max-batch 1): {found[0]}")
    require_none(found, "alone and together")


@promise(
    "answers stay",
    "an answer does not change when the next one is given",
    mend="return arrays of their own: `actions.copy()`",
)
def _gives_answers_away(test: PolicyUnderTest) -> None:
    test.reset()
    for rounds in test.together()[:2]:
        held = test.ask(rounds)
        kept: Answers = {(q.episode, q.index): test.plain(o) for q, o in zip(rounds, held, strict=True)}
        test.ask(list(reversed(rounds)))
        now: Answers = {(q.episode, q.index): test.plain(o) for q, o in zip(rounds, held, strict=True)}
        require_none(differences(kept, now), "before and after the next call")


@promise(
    "observations",
    "a policy gets arrays of its own: it may work on them in place and keep them",
    mend="",
)
def _uses_observations(test: PolicyUnderTest) -> None:
    test.reset()
    seen = seen_by(test.policy.spec, test.first)
    before = seen.copied()
    test.policy.act([seen])
    if list(look_differences(seen.observation, before.observation)):
        raise Noted("it works on them in place, which is fine here: code that calls it elsewhere must hand copies over")


@promise(
    "close",
    "a policy that holds something frees it by `close`",
    mend="close() takes no argument and does not raise",
)
def _closes(test: PolicyUnderTest) -> None:
    if not isinstance(test.policy, Closes):
        raise Skipped("it has no `close`")
    test.policy.close()


def _require_deterministic(test: PolicyUnderTest) -> None:
    if not test.policy.spec.deterministic:
        raise Skipped("its spec says deterministic=False")


def _is_picture(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3


def _require_names(found: Any, what: str) -> None:
    wrong = isinstance(found, str) or not isinstance(found, Collection) or not all(isinstance(n, str) for n in found)
    require(not wrong, f"`{what}` is {found!r}; it must be a set of names")


STATED: tuple[Promise[PolicyUnderTest], ...] = (_has_its_members, _states_its_spec, _fits)
_ANSWERED: tuple[Promise[PolicyUnderTest], ...] = (
    _spells_its_optional_members,
    _answers,
    _keeps_its_chunk_length,
    _repeats_itself,
    _forgets_at_reset,
    _begins_a_stage,
    _keeps_episodes_apart,
    _batches,
    _gives_answers_away,
    _uses_observations,
    _closes,
)


def answered(stages: int) -> tuple[Promise[PolicyUnderTest], ...]:
    """Those about answers, for episodes of so many stages."""
    return tuple(promise for promise in _ANSWERED if stages > 1 or promise is not _begins_a_stage)
