"""Which run folders make up an arm of a report, and what the arm is called."""
