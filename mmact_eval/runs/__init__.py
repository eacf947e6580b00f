"""The life of a run: what is asked for, which episodes, the folder, what it was made with, and reading it again."""
