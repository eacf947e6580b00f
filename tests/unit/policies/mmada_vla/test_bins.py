"""Actions: 255 intervals, quantiles, and the sign of the gripper."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmada_vla.bins import ActionStatistics, from_bins, read_statistics, to_actions, to_bins

PLAIN = ActionStatistics(np.full(7, -1.0), np.full(7, 1.0))


def test_256_edges_make_255_intervals_and_one_bin_for_1_itself() -> None:
    assert to_bins([-2.0, -1.0, -0.995, 0.0, 0.996, 0.9999, 1.0, 3.0]).tolist() == [0, 0, 0, 127, 254, 254, 255, 255]
    assert from_bins([0, 127, 254, 255]) == pytest.approx([-254 / 255, 0.0, 254 / 255, 254 / 255])
    every = np.arange(255)
    assert np.array_equal(to_bins(from_bins(every)), every)
    assert from_bins(every) == pytest.approx(-1 + (2 * every + 1) / 255)
    with pytest.raises(UsageError, match="NaN"):
        to_bins([np.nan])


def test_all_seven_numbers_come_back_between_their_quantiles() -> None:
    statistics = ActionStatistics(np.linspace(-3.0, 0.0, 7), np.linspace(0.0, 3.0, 7))
    actions = np.random.default_rng(0).uniform(statistics.q01, statistics.q99, (5, 7))
    assert statistics.restore(statistics.normalize(actions)) == pytest.approx(actions)
    assert statistics.normalize(statistics.q99 + 9.0) == pytest.approx(np.ones(7))
    bins = to_bins(statistics.normalize(actions))
    assert to_actions(bins, statistics, "calvin")[:, :6] == pytest.approx(actions[:, :6], abs=3.0 / 255 + 1e-9)


def test_the_gripper_is_one_of_two_and_opens_the_robots_way() -> None:
    opening, closing = np.full((1, 7), 255), np.zeros((1, 7), int)
    signs = {
        robot: [to_actions(bins, PLAIN, robot)[0, 6] for bins in (opening, closing)] for robot in ("libero", "calvin")
    }
    assert signs == {"libero": [-1.0, 1.0], "calvin": [1.0, -1.0]}
    assert to_actions(opening, PLAIN, "libero")[0, 5] == pytest.approx(254 / 255)


def test_statistics_are_read_for_a_robot_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    with pytest.raises(UsageError, match="needs the statistics that its actions were normalized with"):
        read_statistics(path, "libero")
    path.write_text(json.dumps({"libero": {"q01": [-1.0] * 7, "q99": [2.0] * 7, "mean": [0.0] * 7}}))
    assert read_statistics(path, "libero").q99.tolist() == [2.0] * 7
    with pytest.raises(UsageError, match="has no statistics of calvin; it has libero"):
        read_statistics(path, "calvin")
    path.write_text(json.dumps({"libero": {"q01": [-1.0] * 6, "q99": [2.0] * 7}}))
    with pytest.raises(UsageError, match="7 finite numbers each"):
        read_statistics(path, "libero")
