"""Training of ViT + MLP on recorded demonstrations: `mmact-eval train vit-mlp`, explained in docs/training.md.

family.py     what `mmact-eval train` finds; settings.py, what a configuration file says
source.py     how demonstrations are read
targets.py    moments as questions, and the loss
pipeline.py   the whole way, with the data and the loop that all models share (`policies/llada/training`)
"""
