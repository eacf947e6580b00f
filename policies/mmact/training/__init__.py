"""Training of MM-ACT on recorded demonstrations: `mmact-eval train`, explained in docs/training.md.

settings.py   what a configuration file says
recordings.py the data sets, as arrays
frames.py     pictures in the size of the image tokenizer, cached
words.py      a byte-pair tokenizer
targets.py    one context, three targets, masks
loop.py       steps, losses, progress
export.py     checkpoints in the published layout; rollouts.py, success in the simulator

What does not know what is asked of the model is in `policies/llada/training`.
"""
