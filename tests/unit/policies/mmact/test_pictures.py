"""A model's pictures and their codes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmact.model import MMACT


def test_an_image_becomes_256_codes_and_codes_a_picture(model: MMACT, views: list[NDArray[np.uint8]]) -> None:
    codes = model.image_codes(views[0])
    assert codes.shape == (256,)
    assert codes.dtype == np.int64
    assert codes.min() >= 0
    assert codes.max() < 8192
    assert len(set(codes.tolist())) > 50
    picture = model.decode_image(codes)
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.float32
    assert np.abs(picture).max() <= 1.0


@pytest.mark.parametrize("codes", [np.zeros(255, dtype=int), np.full(256, 8192), np.full(256, -1)])
def test_what_are_no_codes_is_refused(model: MMACT, codes: NDArray[np.int64]) -> None:
    with pytest.raises(UsageError, match="256 codes"):
        model.decode_image(codes)
