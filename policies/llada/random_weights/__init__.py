"""Random weights in the published layouts, for tests and first steps."""
