"""Sweep files: the one reader of W&B's format, the points they ask for, and which is next."""
