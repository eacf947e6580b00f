"""Engines schedule episodes on workers. `local` uses processes of this machine."""
