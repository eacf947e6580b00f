"""What ends those who hang, and not those who were not allowed to run."""
