"""Whether CALVIN works on this machine, and computes the bits that were recorded elsewhere."""
