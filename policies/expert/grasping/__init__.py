"""How the hand takes hold of an object, and what it must not touch."""
