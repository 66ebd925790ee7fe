"""Training: the objective, the rows, the loop, checkpoints, saved files."""
