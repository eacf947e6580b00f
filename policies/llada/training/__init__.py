"""What trainings of the family share.

settings.py   of an optimizer and of the image tokenizer; optimizing.py, its steps
moments.py    what is used of the moments of all demonstrations
codes.py      the image tokenizer; aiding.py, what helps it to keep what matters
tokens.py     every moment as image codes, cached
tables.py     embeddings that numbers and codes share
state.py      what a resumed training needs
"""
