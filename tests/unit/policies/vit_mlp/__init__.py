"""ViT + MLP."""
