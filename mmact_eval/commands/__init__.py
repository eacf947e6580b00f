"""The commands of `mmact-eval`, a file each, imported when they are used."""
