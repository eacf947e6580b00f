"""What cannot be trained is said before the image tokenizer is, which takes half an hour of a real training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.training import pipeline
from mmact_eval.policies.mmada_vla.training.family import FAMILY
from mmact_eval.policies.mmada_vla.training.settings import Training

from .conftest import TINY

Settings = Callable[..., Training]


def begin(what: Training, out: Path) -> list[str]:
    """What is said until the image tokenizer is trained."""
    said: list[str] = []
    pipeline.train(FAMILY, what, out, "cpu", False, said.append)
    first = next(k for k, line in enumerate(said) if line.startswith("image tokenizer, step"))
    return said[:first]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {**TINY["model"], "n_heads": 3}}, "no even multiple of n_heads 3"),
        ({"chunk": 5}, "no moment has a whole chunk of 5 actions and its goal: set chunk"),
        ({"chunk": 300, "goal": False}, "no demonstration has a whole chunk of 300"),
        ({"quantizer": {**TINY["quantizer"], "bits": 40}}, "40 bits are more than 20"),
        ({"state": "bins", "text_tokens": 400}, "state: bins needs a token for each number .*: give more text_tokens"),
        ({"max_text_len": 2}, "max_text_len is 2, and an instruction takes"),
        ({"rollouts": {"last": True, "suite": "toy", "init_states": "900"}}, "no init states"),
        ({"rollouts": {"every": 1, "suite": "toy", "tasks": "99"}}, "no task"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=words):
        pipeline.train(FAMILY, settings(**changes), tmp_path, "cpu", False, said.append)
    assert not any(line.startswith("image tokenizer, step") for line in said)
    assert not (tmp_path / "quantizer").exists()


def test_states_that_lose_their_end_are_told(settings: Settings, tmp_path: Path) -> None:
    (note,) = [line for line in begin(settings(max_text_len=40), tmp_path / "cut") if line.startswith("note:")]
    assert "longer than max_text_len, 40 tokens, and lose the end of the state" in note
    assert not [line for line in begin(settings(max_text_len=None), tmp_path / "whole") if line.startswith("note:")]


def test_a_refused_training_leaves_the_text_tokenizer_of_the_one_before(settings: Settings, tmp_path: Path) -> None:
    begin(settings(), tmp_path)
    file = tmp_path / "tokenizer" / "tokenizer.json"
    before = file.read_bytes()
    with pytest.raises(UsageError, match="text tokenizer of other settings"):
        pipeline.train(FAMILY, settings(text_tokens=260), tmp_path, "cpu", False, lambda line: None)
    assert file.read_bytes() == before
    assert json.loads(before)["model"]["vocab"]
    assert not (tmp_path / ".tokenizer").exists()
