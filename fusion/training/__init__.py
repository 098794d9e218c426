"""What every training shares: optimiser, checkpoints, run folder, measures, tracking."""
