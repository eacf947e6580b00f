"""A LIBERO scene that is reset and stepped with upstream's bits, and what is read from it."""
