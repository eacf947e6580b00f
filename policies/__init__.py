"""Policies, a plug-in each. Installed, this folder is `mmact_eval.policies` (see pyproject.toml)."""
