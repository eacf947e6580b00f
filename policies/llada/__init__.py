"""The LLaDA family: what its vision-language-action models share, from transformer and tokenizers to decoding.

A shared room, not a policy: `mmact` builds on it, and it knows no model of the family.
"""
