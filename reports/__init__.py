"""Report writers, a plug-in each. Installed, this folder is `mmact_eval.reports` (see pyproject.toml)."""
