"""Checkpoints with random weights in the published layout, for tests and first steps."""
