"""envs of mmact-eval, a plug-in each."""
