"""Is what is simulated here LIBERO as published? Against upstream's loop, against recorded scenes, and for `doctor`."""
