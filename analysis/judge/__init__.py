"""What the numbers allow: intervals, contrasts, verdicts, claims."""
