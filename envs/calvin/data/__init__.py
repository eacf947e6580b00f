"""Data: the chains and their sentences, the published assets by content, recorded motions."""
