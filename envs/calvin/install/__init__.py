"""CALVIN's assets: which files they are, bringing them, and whether those that are here are the published ones."""
