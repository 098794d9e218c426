"""Sweeps: cells, leases, attempts, scores, states."""
