"""Training of models of the family on recorded demonstrations: `mmact-eval train`, explained in docs/training.md.

family.py     what a masked-token model has to say for itself; families.py, what can be trained
settings.py   what a configuration file says; configurations.py, where they are
pipeline.py   the whole way; tokenizers.py, its first half
data/         the data sets as arrays, cached: moments.py; a byte-pair tokenizer
images/       codes.py, the image tokenizer; aiding.py, what helps it to keep what matters; tokens.py, moments as codes
learning/     loop.py, losses.py, progress; optimizing.py, its steps; state.py, what a resumed training needs;
              tables.py, embeddings that numbers and codes share
export.py     checkpoints in the published layout; rollouts.py, success in the simulator
"""
