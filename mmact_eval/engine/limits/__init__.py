"""What ends those who hang or only ever fail, and not those who were not allowed to run."""
