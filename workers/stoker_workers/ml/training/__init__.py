"""Training: the network, its rows, the loop, checkpoints, saved files."""
