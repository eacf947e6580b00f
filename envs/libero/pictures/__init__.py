"""LIBERO's pictures with less work: what leaves no trace in a picture is not drawn."""
