"""Formulas alone. Nothing here knows of runs, and nothing of mmact-eval is imported."""
