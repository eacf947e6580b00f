"""Training of MM-ACT on recorded demonstrations: `mmact-eval train`, explained in docs/training.md.

settings.py   what a configuration file says
recordings.py the data sets, as arrays
frames.py     pictures in the size of the image tokenizer, cached
words.py      a byte-pair tokenizer
codes.py      the image tokenizer; aiding.py, what helps it to keep what matters
tokens.py     every frame as tokens, cached
targets.py    one context, three targets, masks
tables.py     embeddings that numbers and codes share
loop.py       steps, losses, progress; state.py, what a resumed training needs
export.py     checkpoints in the published layout; rollouts.py, success in the simulator
"""
