"""Engines schedule episodes on workers. `interface` says what one is; `local` uses processes of this machine."""
