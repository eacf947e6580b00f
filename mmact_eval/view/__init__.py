"""Run folders as one page in a browser: served while runs go on, or written as a bundle of files. Read-only."""
