"""The ways of the arm: motions, reach, and where something is carried and let go."""
