"""What servers say of themselves is compared, and the keys that users name are checked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the `remote` extra")
pytest.importorskip("msgpack", reason="the `remote` extra")

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.pool import Refused
from mmact_eval.policies.remote.same_model import SameModel
from mmact_eval.policies.remote.wire.answers import actions_of, output_of
from mmact_eval.policies.remote.wire.codec import WireError
from mmact_eval.policies.remote.wire.layouts import LIBERO_ACTION, LiberoLayout
from mmact_eval.policies.remote.wire.renaming import Renaming
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Change

LIBERO = EnvSpec("libero", {"agentview": (8, 8), "wrist": (8, 8)}, "rotated 180°", {}, LIBERO_ACTION)


def test_a_server_that_says_something_else_is_refused_and_both_are_named() -> None:
    model = SameModel("p", ())
    model.check("ws://a", {"checkpoint": "A", "stats": {"mean": 1.0}})
    model.check("ws://b", {"stats": {"mean": 1.0}, "checkpoint": "A"})
    with pytest.raises(Refused, match=r"ws://c serves another policy than ws://a: checkpoint: A → B; stats\.mean"):
        model.check("ws://c", {"checkpoint": "B", "stats": {"mean": 2.0}})
    with pytest.raises(Refused, match=r"ws://a serves another policy than the run began with: checkpoint"):
        model.check("ws://a", {"checkpoint": "B", "stats": {"mean": 1.0}})
    with pytest.raises(Refused, match=r"checkpoint: A → \(absent\)"):
        model.check("ws://d", {})


def test_what_changes_with_each_start_can_be_left_out_and_the_message_says_how() -> None:
    first = {"checkpoint": "A", "pid": 1, "host": {"name": "x", "gpu": "H200"}}
    again = {"checkpoint": "A", "pid": 2, "host": {"name": "y", "gpu": "H200"}}
    model = SameModel("p", ())
    model.check("ws://a", first)
    with pytest.raises(Refused, match=r"--policy-args ignore_metadata=pid,host\.name$"):
        model.check("ws://a", again)
    for ignored in ("pid,host.name", ["pid", "host.name"]):
        model = SameModel("p", ignored)
        model.check("ws://a", first)
        model.check("ws://a", again)
        assert model.said == {"checkpoint": "A", "host": {"gpu": "H200"}}
        with pytest.raises(Refused, match=r"ignore_metadata=pid,host\.name,host\.gpu"):
            model.check("ws://a", {**again, "host": {"name": "z", "gpu": "A100"}})


def test_a_key_to_be_left_out_that_the_server_does_not_tell_is_refused_with_those_it_tells() -> None:
    with pytest.raises(UsageError, match='says nothing of "pd"; it tells: checkpoint, pid') as refused:
        SameModel("p", "pd").check("ws://a", {"checkpoint": "A", "pid": 1})
    assert 'Did you mean "pid"?' in str(refused.value)
    for wrong in (5, {"pid": 1}, [5]):
        with pytest.raises(UsageError, match="ignore_metadata must name keys"):
            SameModel("p", wrong)


def test_arrays_become_lists_that_a_manifest_can_hold() -> None:
    model = SameModel("p", ())
    said = {
        "mean": np.array([0.5, 1.0], np.float32),
        "suites": np.array(["goal", "long"]),
        "nested": [{"std": np.ones((1, 2)), "n": np.int64(3)}],
        "nothing": float("nan"),
    }
    model.check("ws://a", said)
    model.check("ws://b", said)  # NaN equals NaN
    assert json.loads(json.dumps({**model.said, "nothing": None})) == {
        "mean": [0.5, 1.0],
        "suites": ["goal", "long"],
        "nested": [{"std": [[1.0, 1.0]], "n": 3}],
        "nothing": None,
    }
    with pytest.raises(Refused):
        model.check("ws://c", {**said, "mean": np.array([0.5, 2.0], np.float32)})


def test_of_two_fingerprints_only_what_is_not_left_out_counts() -> None:
    named = {"policy.config.metadata.pid": (1, 2), "seed": (0, 1), "policy.config.metadata.pidfile": ("a", "b")}
    changed = [Change.of(field, *values) for field, values in named.items()]
    counts, advice = SameModel("p", "pid").weigh(changed)
    assert counts == changed[1:]
    assert advice.endswith("--policy-args ignore_metadata=pid,pidfile")
    assert SameModel("p", "pid").weigh(changed[:2]) == (changed[1:2], "")


@pytest.mark.parametrize(
    ("rename", "says"),
    [
        ("prompt", "must be a map"),
        ({"observation/wrist": None}, "have no key 'observation/wrist'; they have: observation/image, .*wrist_image"),
        ({"prompt": 5}, '"prompt" must become a name or null, not 5'),
        ({"prompt": ["a"]}, "must become a name or null"),
        ({"prompt": ""}, "must become a name or null"),
        ({5: "prompt"}, "have no key 5"),
        ({"observation/image": "image", "observation/wrist_image": "image"}, 'both be sent as "image"'),
        ({"observation/image": "observation/wrist_image"}, 'both be sent as "observation/wrist_image"'),
    ],
)
def test_new_names_that_make_no_sense_are_refused(rename: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Renaming(rename, LiberoLayout(LIBERO, "openpi"))


def test_keys_are_renamed_exchanged_or_left_out() -> None:
    layout = LiberoLayout(LIBERO, "openpi")
    request = {"observation/image": 1, "observation/wrist_image": 2, "observation/state": 3, "prompt": "go"}
    assert Renaming(None, layout).apply(request) == request
    rename = {"observation/image": "observation/wrist_image", "observation/wrist_image": "observation/image"}
    assert Renaming({**rename, "observation/state": None, "prompt": "task"}, layout).apply(request) == {
        "observation/wrist_image": 1,
        "observation/image": 2,
        "task": "go",
    }


def test_actions_are_found_under_the_first_name_that_is_there() -> None:
    names = ("actions", "action")
    np.testing.assert_array_equal(actions_of({"action": [1.0, 2.0]}, "there", names), [[1.0, 2.0]])
    np.testing.assert_array_equal(actions_of({"action": [1.0], "actions": [2.0]}, "there", names), [[2.0]])
    with pytest.raises(WireError, match=r'no "actions" \(but: action\)'):
        actions_of({"action": [1.0]}, "there")


def test_what_is_no_text_and_no_image_does_not_spoil_the_actions() -> None:
    answer = {
        "text": np.array("pick up"),
        "image": np.zeros((4, 4), np.float32),
        "server_timing": 5,
        "prompt": object(),
    }
    output = output_of(answer, np.zeros((1, 7)))
    assert (output.text, output.image, output.extras) == (None, None, {})
