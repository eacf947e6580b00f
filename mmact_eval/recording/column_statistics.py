"""Statistics of columns, as LeRobot's training code takes them to normalize: exact, over all frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Stats = dict[str, list[Any]]


def of_vectors(rows: NDArray[Any]) -> Stats:
    """Statistics of a column of N vectors (N, D) or numbers (N,): lists of D numbers, and the count."""
    table = np.asarray(rows, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    found = {"min": table.min(0), "max": table.max(0), "mean": table.mean(0), "std": table.std(0)}
    found |= dict(zip(_QUANTILES, np.quantile(table, list(_QUANTILES.values()), axis=0), strict=True))
    return {**{name: value.tolist() for name, value in found.items()}, "count": [len(table)]}


def of_images(histograms: NDArray[np.int64], frames: int) -> Stats:
    """Statistics of images in [0, 1], shaped (3, 1, 1), from the counts of each value in each channel.

    Args:
        histograms: (3, 256) counts over all pixels.
        frames: how many images these were.
    """
    values = np.arange(256) / 255.0
    cumulated = histograms.cumsum(1)
    total = cumulated[:, -1:]
    mean = (histograms * values).sum(1) / total[:, 0]
    variance = (histograms * (values - mean[:, None]) ** 2).sum(1) / total[:, 0]
    found = {
        "min": values[(histograms > 0).argmax(1)],
        "max": values[255 - (histograms > 0)[:, ::-1].argmax(1)],
        "mean": mean,
        "std": np.sqrt(variance),
    }
    for name, quantile in _QUANTILES.items():
        found[name] = values[(cumulated >= quantile * total).argmax(1)]
    return {**{name: value.reshape(3, 1, 1).tolist() for name, value in found.items()}, "count": [frames]}
