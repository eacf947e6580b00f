"""For all tests: a property must hold on a busy machine too, so Hypothesis measures no time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("mmact-eval", deadline=None)
settings.load_profile("mmact-eval")
