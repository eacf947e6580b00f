"""This machine and who uses it: GL, GPUs, folders, the terminal, the disk, and `doctor`, which tries them all."""
