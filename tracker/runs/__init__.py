"""Runs: their rows, lines, files, console, and what clients change."""
