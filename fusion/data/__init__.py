"""Data sets: the layout of files, their generation, packed reading, splits."""
