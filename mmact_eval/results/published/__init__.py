"""What others report, with its sources, and how it is set beside a run."""
