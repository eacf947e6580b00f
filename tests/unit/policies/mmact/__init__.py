"""MM-ACT without published weights: layouts, prompts, decoding, on tiny random checkpoints."""
