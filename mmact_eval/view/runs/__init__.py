"""One run folder as the view sees it, and the parts of a run together."""
