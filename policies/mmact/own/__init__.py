"""The checkpoints that come with the package, trained here."""
