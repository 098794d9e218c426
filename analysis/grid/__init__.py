"""What was asked for: the cells of a sweep, and what its plan compares."""
