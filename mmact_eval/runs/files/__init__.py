"""The single files of a run folder: their lines, the lock, and where results go when a file is gone."""
