"""Forms with raw pictures, and what MMaDA-VLA's requests say: the same after the way there and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("msgpack", reason="the `remote` extra")

from mmact_eval.policies.remote.mmada.layout import (
    CAMERAS,
    EPISODES,
    SIZES,
    Api,
    CalvinRequests,
    answer_of,
    chunks_in,
    observations_in,
    places_in,
)
from mmact_eval.policies.remote.mmada.multipart import form, read_form
from mmact_eval.policies.remote.wire.codec import WireError
from mmact_eval.types import Episode, Observation, Query

DIMS = {"tcp_pos": 3, "tcp_euler": 3, "gripper_width": 1, "joint_pos": 7, "gripper_action": 1}


def query(seed: int, instruction: str = "go") -> Query:
    rng = np.random.default_rng(seed)
    images = {
        camera: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for camera, size in zip(CAMERAS, SIZES, strict=True)
    }
    state = {key: rng.normal(size=dim) * 10.0 ** rng.integers(-7, 2, dim) for key, dim in DIMS.items()}
    return Query(Observation(images, state, instruction), Episode("calvin", "kette", seed, 3), seed, seed == 1)


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n--", b"--\r\n\r\n", b"\x00\xff" * 5, b"a\r\n\r\nb\n"])
def test_bytes_of_any_kind_survive_a_form(data: bytes) -> None:
    body, kind = form({"a": data, "json": b"{}", "b": data})
    assert read_form(body, kind) == {"a": data, "json": b"{}", "b": data}


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"{}", "application/json", "must be a form"),
        (b"", "multipart/form-data", "must be a form"),
        (b"", "multipart/form-data; boundary=x", "cut off"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', "multipart/form-data; boundary=x", "cut off"),
        (b"--x\r\n\r\n\r\n1\r\n--x--", "multipart/form-data; boundary=x", "without a name"),
        (b"--x\r\n" * 40 + b"--x--", "multipart/form-data; boundary=x", "more than 16"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, kind: str, says: str) -> None:
    with pytest.raises(WireError, match=says):
        read_form(body, kind)


@pytest.mark.parametrize("api", ["batch", "single"])
def test_a_server_sees_what_a_client_saw_to_the_bit(api: Api) -> None:
    asked = [query(seed, text) for seed, text in enumerate(["go", "", "two\nlines"])][: 3 if api == "batch" else 1]
    parts = read_form(*form(CalvinRequests(api).parts(asked)))
    heard, seen = observations_in(parts)
    assert heard == api
    for one, other in zip(asked, seen, strict=True):
        assert other.instruction == one.observation.instruction
        for key, vector in one.observation.state.items():
            np.testing.assert_array_equal(other.state[key], vector)
        for camera, image in one.observation.images.items():
            np.testing.assert_array_equal(other.images[camera], image)
    assert places_in(parts, len(asked)) == [(one.episode, one.index, one.new_stage) for one in asked]
    del parts[EPISODES]
    assert places_in(parts, len(asked)) is None


def test_a_text_that_does_not_end_in_fifteen_numbers_has_no_state() -> None:
    for text in ("go", "go\n1 2 3", "go\nslowly", "\n"):
        parts = CalvinRequests("single", state=False).parts([query(0, text)])
        (seen,) = observations_in(parts)[1]
        assert (seen.instruction, dict(seen.state)) == (text, {})


def test_what_is_no_request_is_refused_in_words() -> None:
    parts = CalvinRequests("batch").parts([query(0), query(1)])
    for change, says in (
        ({"json": b"[]"}, "batch_task_insts"),
        ({"json": b"{"}, "must hold"),
        ({"json": json.dumps({"batch_task_insts": []}).encode()}, "a list of texts"),
        ({"batch_images": bytes(120000)}, "2×200×200×3 bytes, got 120000"),
    ):
        with pytest.raises(WireError, match=says):
            observations_in({**parts, **change})
    with pytest.raises(WireError, match="a map for each question"):
        places_in(parts, 1)


@pytest.mark.parametrize("api", ["batch", "single"])
def test_answers_survive_the_way_to_the_bit(api: Api) -> None:
    rng = np.random.default_rng(0)
    chunks = [rng.normal(size=(length, 7)).astype(np.float32) for length in (10, 3)][: 2 if api == "batch" else 1]
    for one, other in zip(chunks, chunks_in(answer_of(chunks, api), len(chunks), api, "x"), strict=True):
        np.testing.assert_array_equal(one, other)
