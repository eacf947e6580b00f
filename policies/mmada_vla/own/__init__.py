"""The small MMaDA-VLA that comes with the package."""
