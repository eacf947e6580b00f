"""Environments, a plug-in each. Installed, this folder is `mmact_eval.envs` (see pyproject.toml)."""
