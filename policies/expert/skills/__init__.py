"""What the expert can do: machines of phases, each for a kind of goal."""
