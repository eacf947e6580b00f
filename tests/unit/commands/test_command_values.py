"""What is typed on the command line means what a person means by it."""

from __future__ import annotations

from typing import Any

import pytest

from mmact_eval.commands.common.values import parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("-.5", -0.5),
        ("true", True),
        ("None", None),
        ("on", "on"),
        ("no", "no"),
        ("0123", "0123"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("", ""),
        ("ckpt/step=3", "ckpt/step=3"),
        ('"5"', "5"),
        ("[a, 2]", ["a", 2]),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_values(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)
