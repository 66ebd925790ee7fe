"""Training: the network, its rows, the loop, its checkpoints, and what it leaves behind."""
