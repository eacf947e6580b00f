"""A run's episodes once more, here and now: which come out as they did, and what differs between then and now."""
