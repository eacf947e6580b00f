"""The level of tests and intervals, and what the methods are called: one place for code, captions and tables."""

from __future__ import annotations

ALPHA = 0.05
"""Probability of a false alarm that tests allow."""

CONFIDENCE = 1.0 - ALPHA
"""Of intervals."""

POWER = 0.8
"""Probability with which a difference that is called detectable is found."""

RATE_INTERVAL = "exact (Clopper–Pearson)"
TASK_MEAN_INTERVAL = "stratified score"
SHARE_INTERVAL = "Clopper–Pearson with the effective sample size (Korn & Graubard 1998)"
MEAN_INTERVAL = "Student's t"
LENGTH_INTERVAL = "multinomial profile likelihood"
RATE_TEST = "exact McNemar"
RATE_DIFFERENCE_INTERVAL = "Fay & Lumbard (2021)"
NUMBER_TEST = "sign-flip permutation"
WHOLE_TEST = "exact sign-flip"
NUMBER_DIFFERENCE_INTERVAL = "the same test inverted (Hartigan 1969)"
MANY_ARMS = "Holm"


def percent(confidence: float = CONFIDENCE, space: str = " ") -> str:
    """``95 %``."""
    return f"{100 * confidence:g}{space}%"


def interval_name(confidence: float = CONFIDENCE, space: str = " ") -> str:
    """``95 % interval``: the head of a column."""
    return f"{percent(confidence, space)} interval"
