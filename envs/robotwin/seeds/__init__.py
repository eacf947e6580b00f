"""Which seeds of a task count: those that the expert solves, as upstream chooses them."""
