"""LIBERO-Conditional: scenes of LIBERO with instructions whose right action depends on what is seen.

"If the top drawer is open, put the bowl in it, otherwise put the bowl on the plate": each task has two branches, which
are two scenes with one instruction. A policy that does not look, or does not read, is right in half of them at best.
"""
