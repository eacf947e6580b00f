"""Scripts that run with other people's packages, as ``python -m peers.SCRIPT``."""
