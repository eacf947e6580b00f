"""policies of mmact-eval, a plug-in each."""
