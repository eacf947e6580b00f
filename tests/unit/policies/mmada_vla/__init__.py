"""MMaDA-VLA without published weights: prompts, attention, bins, decoding, on tiny random checkpoints."""
