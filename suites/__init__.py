"""Suites and studies as YAML, found by name. Installed, this folder is `mmact_eval.suites` (see pyproject.toml)."""
