"""Compiled models, kept on disk: compiling one takes seconds and a gigabyte of memory, reading one far less."""
